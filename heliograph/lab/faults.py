"""Lab: the fault rules. Pure: reads a fault description and a clock value, answers what happens to one call.

Writes nothing but its own token bucket and its memory of one-time behaviours; never waits, never opens a socket.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

Mode = Literal["ok", "down", "hang", "error", "throttle", "flaky"]
VerdictKind = Literal["pass", "drop", "hang", "fail", "throttle"]

_P99 = 2.326348
"""What 99 % of a standard normal distribution lie below."""
LONGEST_LATENCY_MS = 600_000.0
ONCE = "once:"
"""Prefix of a behaviour that applies to the first call for its token only (`"once:unavailable"`)."""


class Fault(Struct, frozen=True, forbid_unknown_fields=True):
    """How one provider misbehaves; the body of `PUT /lab/faults/{provider}`.

    mode          ok; down (connection closed without an answer); hang (accepted, never answered); error (every call
                  gets `status`); throttle (more than `rate_per_s` calls are refused the provider's own way);
                  flaky (`fraction` of the calls get `status`)
    status        HTTP status, for SMTP a reply code; 400-599
    rate_per_s    calls per second, with a burst of one second's worth (at least one call)
    latency_ms    waited before every answer, whatever the mode; SMTP: before the reply to the message's final dot
    latency_p99_ms  makes the waits lognormal: half of them below latency_ms, 99 % below this, as real services have
    per_connection  SMTP: so many mails a connection, then 421 and the connection ends
    fraction      0-1
    retry_after_s what 429 and 503 answers tell the caller to wait, instead of the true or usual value
    tokens        device token or e-mail address -> behaviour; see the provider's own file for its words
    """

    mode: Mode = "ok"
    status: Annotated[int, Meta(ge=400, le=599)] | None = None
    rate_per_s: Annotated[float, Meta(gt=0, le=1_000_000)] | None = None
    latency_ms: Annotated[float, Meta(ge=0, le=600_000)] = 0
    latency_p99_ms: Annotated[float, Meta(gt=0, le=600_000)] | None = None
    per_connection: Annotated[int, Meta(ge=1)] | None = None
    fraction: Annotated[float, Meta(ge=0, le=1)] | None = None
    retry_after_s: Annotated[float, Meta(ge=0, le=86_400)] | None = None
    tokens: dict[str, str] = {}


class Dialect(Struct, frozen=True):
    """What a provider understands: the status of an unspecified error and its words for `tokens`.

    `once` names the behaviours that by their nature refuse only the first call (SMTP greylisting).
    """

    default_status: int
    behaviours: frozenset[str]
    once: frozenset[str] = frozenset()


class Verdict(Struct, frozen=True):
    """What happens to one call. `limit`, `remaining` and `wait_s` describe the rate limit when there is one."""

    kind: VerdictKind = "pass"
    status: int = 0
    limit: int = 0
    remaining: int = 0
    wait_s: float = 0.0


class InvalidFaultError(ValueError):
    """A fault description was refused. `path` names the field (empty: the document), `malformed` = not JSON."""

    def __init__(self, path: str, message: str, *, malformed: bool = False) -> None:
        super().__init__(message)
        self.path = path
        self.message = message
        self.malformed = malformed


def parse_fault(raw: bytes, dialect: Dialect) -> Fault:
    """Read a fault from JSON and fill in the provider's defaults.

    Raises InvalidFaultError for anything unknown, so that a typing error in a test can't silently mean "no fault".
    """
    try:
        fault = msgspec.json.decode(raw, type=Fault)
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at `$")
        raise InvalidFaultError(path.strip("`").lstrip("."), message) from error
    except msgspec.DecodeError as error:
        raise InvalidFaultError("", str(error), malformed=True) from error
    return complete(fault, dialect)


def complete(fault: Fault, dialect: Dialect) -> Fault:
    """The effective fault: defaults of its mode filled in, its words checked. Raises InvalidFaultError."""
    for token, behaviour in fault.tokens.items():
        if behaviour.removeprefix(ONCE) not in dialect.behaviours:
            known = ", ".join(sorted(dialect.behaviours))
            raise InvalidFaultError(f"tokens.{token}", f"Unknown behaviour {behaviour!r}; known: {known}")
    if fault.mode == "throttle" and fault.rate_per_s is None:
        raise InvalidFaultError("rate_per_s", "Mode throttle needs rate_per_s")
    if fault.latency_p99_ms is not None and not 0 < fault.latency_ms <= fault.latency_p99_ms:
        raise InvalidFaultError("latency_p99_ms", "Needs a latency_ms, the median, that is no larger")
    status, fraction = fault.status, fault.fraction
    if fault.mode in ("error", "flaky") and status is None:
        status = dialect.default_status
    if fault.mode == "flaky" and fraction is None:
        fraction = 0.5
    tokens = {token_key(token): behaviour for token, behaviour in fault.tokens.items()}
    return msgspec.structs.replace(fault, status=status, fraction=fraction, tokens=tokens)


def token_key(token: str) -> str:
    """One spelling per target: e-mail addresses ignore case, device tokens don't."""
    return token.lower() if "@" in token else token


def latency_ms(fault: Fault, drawn: float) -> float:
    """How long one answer waits. `drawn` from a standard normal distribution."""
    if fault.latency_p99_ms is None:
        return fault.latency_ms
    spread = math.log(fault.latency_p99_ms / fault.latency_ms) / _P99
    return min(fault.latency_ms * math.exp(spread * drawn), LONGEST_LATENCY_MS)


class Bucket:
    """A token bucket: `rate` calls a second, at most one second's worth (never less than one call) in store."""

    def __init__(self, rate: float, now: float) -> None:
        self.rate = rate
        self.capacity = max(1.0, rate)
        self._level = self.capacity
        self._at = now

    def take(self, now: float, count: int = 1) -> Verdict:
        """Take `count` tokens or none at `now` (seconds, monotonic) and say how full the bucket is afterwards."""
        self._level = min(self.capacity, self._level + (now - self._at) * self.rate)
        self._at = now
        taken = self._level >= count
        if taken:
            self._level -= count
        return Verdict(
            kind="pass" if taken else "throttle",
            status=0 if taken else 429,
            limit=math.floor(self.capacity),
            remaining=math.floor(self._level),
            wait_s=max(0.0, (count - self._level) / self.rate),
        )


class FaultState:
    """A fault in force: the fault itself plus what it has to remember between calls."""

    def __init__(self, fault: Fault, dialect: Dialect, now: float, random: Callable[[], float]) -> None:
        self.fault = fault
        self._dialect = dialect
        self._random = random
        self._bucket = Bucket(fault.rate_per_s, now) if fault.mode == "throttle" and fault.rate_per_s else None
        self._met: set[str] = set()

    def judge(self, now: float) -> Verdict:
        """What happens to a call that arrives at `now` (seconds, monotonic)."""
        match self.fault.mode:
            case "down":
                return Verdict("drop")
            case "hang":
                return Verdict("hang")
            case "error":
                return Verdict("fail", status=self.fault.status or 0)
            case "flaky" if self._random() < (self.fault.fraction or 0):
                return Verdict("fail", status=self.fault.status or 0)
            case "throttle" if self._bucket:
                return self._bucket.take(now)
            case _:
                return Verdict("pass")

    def behaviour(self, token: str) -> str | None:
        """The behaviour chosen for this token now, or None; a one-time behaviour is used up by asking."""
        key = token_key(token)
        chosen = self.fault.tokens.get(key)
        if chosen is None:
            return None
        word = chosen.removeprefix(ONCE)
        if chosen.startswith(ONCE) or word in self._dialect.once:
            if key in self._met:
                return None
            self._met.add(key)
        return word
