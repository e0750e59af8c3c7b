"""A model of the e-mail path as queues: what P0, P1 and P2 wait for in a spike and in an outage. SimPy, no I/O.

API, router and e-mail worker are servers that take the most urgent batch; the sender asks the account (the product's
own rules of pace and breaker, `core/account.py`) and takes the most urgent mail after. Everything is served in order of
its level, so the model is right where waiting decides; `base_s` stands for hops and wake-ups of an idle system.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Generator, Sequence
from typing import Any, Final

import msgspec
import simpy

from heliograph.core import account as accounts
from heliograph.core.account import Account, Rules
from heliograph.core.model import Level
from heliograph.core.outcomes import Delivered, ProviderOutcome, Unavailable
from heliograph.core.pacing import PaceRules

LEVELS: Final = tuple(Level)
_BATCH: Final = 100
_DOWN_S: Final = 1.0
"""After so long a provider that is down answers with an error."""


class Stages(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds that one notification takes of a process, and how many there are."""

    api_s: float
    router_s: float
    worker_s: float
    api: int = 1
    router: int = 1
    worker: int = 1
    base_s: float = 0.006
    call_s: float = 0.05
    at_once: int = 64


class Burst(msgspec.Struct, frozen=True):
    """`count` notifications of one level that arrive evenly over `for_s` seconds from `at_s` on."""

    level: Level
    at_s: float
    for_s: float
    count: int


class Outage(msgspec.Struct, frozen=True):
    at_s: float
    for_s: float


class Waited(msgspec.Struct, frozen=True):
    """Arrived when, of which level, and seconds from its arrival to the provider's acceptance."""

    at_s: float
    level: Level
    took_s: float


class Course(msgspec.Struct, frozen=True, kw_only=True):
    """What happens: bursts and outages. The provider takes `pace` mails a second."""

    bursts: Sequence[Burst]
    outages: Sequence[Outage] = ()
    pace: float
    seed: int = 1


class _Item(msgspec.Struct):
    level: Level
    at_s: float


class _Lane:
    """Three queues, taken strictly by level."""

    def __init__(self, env: simpy.Environment) -> None:
        self._env = env
        self._levels: dict[Level, deque[_Item]] = {level: deque() for level in LEVELS}
        self._came = env.event()

    def put(self, item: _Item) -> None:
        self._levels[item.level].append(item)
        if not self._came.triggered:
            self._came.succeed()

    def most_urgent(self) -> Level | None:
        return next((level for level in LEVELS if self._levels[level]), None)

    def take(self, most: int) -> list[_Item]:
        level = self.most_urgent()
        queue = self._levels[level] if level is not None else deque[_Item]()
        return [queue.popleft() for _ in range(min(most, len(queue)))]

    def news(self) -> simpy.Event:
        """The next arrival."""
        if self._came.triggered:
            self._came = self._env.event()
        return self._came


class _Path:
    def __init__(self, course: Course, stages: Stages) -> None:
        self.env = simpy.Environment()
        self.waited: list[Waited] = []
        self._course = course
        self._stages = stages
        self._rules = Rules(PaceRules(course.pace))
        self._account: Account = accounts.fresh(self._rules, 0)
        self._in_a_row = 0
        self._free = simpy.Resource(self.env, stages.at_once)
        self._ingest, self._router, self._worker, self._outbox = (_Lane(self.env) for _ in range(4))

    def run(self) -> list[Waited]:
        steps = (
            (self._ingest, self._stages.api, self._stages.api_s, self._router),
            (self._router, self._stages.router, self._stages.router_s, self._worker),
            (self._worker, self._stages.worker, self._stages.worker_s, self._outbox),
        )
        for lane, processes, each_s, then in steps:
            for _ in range(processes):
                self.env.process(self._serve(lane, each_s, then.put))
        self.env.process(self._send())
        chance = random.Random(self._course.seed)  # noqa: S311 - a model's chance, no secret
        for burst in self._course.bursts:
            self.env.process(self._arrive(burst, chance))
        wanted = sum(burst.count for burst in self._course.bursts)
        while len(self.waited) < wanted:
            self.env.step()
        return self.waited

    def _arrive(self, burst: Burst, chance: random.Random) -> Generator[simpy.Event, Any, None]:
        yield self.env.timeout(burst.at_s)
        gap_s = burst.for_s / burst.count
        for _ in range(burst.count):
            if gap_s:
                yield self.env.timeout(chance.uniform(0.5, 1.5) * gap_s)
            self._ingest.put(_Item(burst.level, self.env.now))

    def _serve(self, lane: _Lane, each_s: float, then: Callable[[_Item], None]) -> Generator[simpy.Event, Any, None]:
        while True:
            batch = lane.take(_BATCH)
            if not batch:
                yield lane.news()
                continue
            yield self.env.timeout(each_s * len(batch))
            for item in batch:
                then(item)

    def _send(self) -> Generator[simpy.Event, Any, None]:
        """The token first, the mail after: as `roles/email_sender.py`."""
        while True:
            level = self._outbox.most_urgent()
            if level is None:
                yield self._outbox.news()
                continue
            turn = self._free.request()
            yield turn
            now = self._now()
            self._account, admitted = accounts.admit(self._account, self._rules, 1, level == Level.P0, now)
            if not admitted.count:
                self._free.release(turn)
                yield self.env.timeout(max(admitted.wait_s, 0.001)) | self._outbox.news()
                continue
            self.env.process(self._call(self._outbox.take(1)[0], turn))

    def _call(self, item: _Item, turn: simpy.resources.resource.Request) -> Generator[simpy.Event, Any, None]:
        begun = self._now()
        down = any(outage.at_s <= self.env.now < outage.at_s + outage.for_s for outage in self._course.outages)
        yield self.env.timeout(_DOWN_S if down else self._stages.call_s)
        outcome: ProviderOutcome = Unavailable("down") if down else Delivered("")
        self._in_a_row = self._in_a_row + 1 if down else 0
        trips = self._in_a_row >= self._rules.breaker.failures
        self._account = accounts.learn(self._account, self._rules, outcome, begun, self._now(), trips)
        self._free.release(turn)
        if down:
            self._outbox.put(item)
        else:
            self.waited.append(Waited(item.at_s, item.level, self.env.now - item.at_s + self._stages.base_s))

    def _now(self) -> int:
        return int(self.env.now * 1000)


def simulate(course: Course, stages: Stages) -> list[Waited]:
    """Every notification of the course, in the order in which the provider took them."""
    return _Path(course, stages).run()


def percentile(waited: Sequence[Waited], level: Level, percent: float) -> float:
    """Seconds; 0 without any of the level."""
    took = sorted(one.took_s for one in waited if one.level == level)
    return took[min(len(took) - 1, int(len(took) * percent / 100))] if took else 0.0
