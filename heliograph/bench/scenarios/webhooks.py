"""Scenario `webhooks`: SendGrid's events against the store, and the two halves of that work each alone.

Posts go one after the other through the whole HTTP application, without a socket, to an SQLite file that is on disk
with every answer. Beside it, in turns: what must be done at least to a post (signature and JSON decoding), and what the
store alone needs for the same events in the same groups.
"""

from __future__ import annotations

import base64
import json
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from heliograph.backends.sqlite import SqliteStore
from heliograph.bench.clock import now
from heliograph.bench.histogram import Histogram
from heliograph.bench.scenario import Bench, Measurement, Result, figure
from heliograph.core.ids import new_notification_id
from heliograph.core.lifecycle import Event
from heliograph.core.model import Notification
from heliograph.core.ports import Store, Submission
from heliograph.roles.webhooks import sendgrid
from heliograph.roles.webhooks.sendgrid_events import to_events
from heliograph.web import application

POST: Final = 300
"""Events in one post: what SendGrid's 30 seconds or 768 KB come to for a busy sender."""
POSTS: Final = 20
_SIDES: Final = ("heliograph", "signature and JSON alone", "grouped commits alone")
_NOTES: Final = (
    f"{POSTS} posts of {POST} events a round and side, one third each delivered, open and click, every event new.",
    "One process and one thread beside the store's own; events a CPU-second count both.",
)
PATH: Final = "/v1/webhooks/sendgrid"


class Account:
    """A SendGrid account whose webhook key is ours."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        der = self._key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        self.public_key = base64.b64encode(der).decode()

    def post(self, events: list[dict[str, Any]]) -> tuple[bytes, str, str]:
        """Body, signature and timestamp."""
        body, timestamp = json.dumps(events).encode(), str(int(time.time()))
        signature = self._key.sign(timestamp.encode() + body, ec.ECDSA(SHA256()))
        return body, base64.b64encode(signature).decode(), timestamp


Post = tuple[bytes, str, str]


async def run(bench: Bench) -> Result:
    store = SqliteStore(bench.folder / "webhooks.db")
    await store.open()
    try:
        return await _run(bench, store)
    finally:
        await store.close_store()


async def _run(bench: Bench, store: Store) -> Result:
    names, account = await _sent(store), Account()
    verifier = sendgrid.Verifier(account.public_key, now, 86_400)
    app = _application(store, account.public_key)

    async def whole(post: Post) -> None:
        await _call(app, *post)

    async def reading(post: Post) -> None:
        verifier.check(*post)
        sendgrid.parse(post[0])

    async def commits(post: Post) -> None:
        await store.record(to_events(sendgrid.parse(post[0]), now()))

    sides = dict(zip(_SIDES, (whole, reading, commits), strict=True))
    took: dict[str, list[list[int]]] = {side: [] for side in sides}
    cpu: dict[str, list[float]] = {side: [] for side in sides}
    for turn in range(bench.rounds):
        for side, take in sides.items():
            bench.say(f"webhooks, round {turn + 1} of {bench.rounds}: {side}")
            posts = [account.post(_events(names, f"{turn}-{side[:4]}-{number}")) for number in range(POSTS)]
            before = time.process_time()
            took[side].append(await _times(take, posts))
            cpu[side].append(POSTS * POST / (time.process_time() - before))
    return _result(took, cpu)


def _result(took: dict[str, list[list[int]]], cpu: dict[str, list[float]]) -> Result:
    rates = {side: [POSTS * POST * 1e9 / sum(times) for times in rounds] for side, rounds in took.items()}
    ours, reading, commits = (rates[side] for side in _SIDES)
    return Result(
        name="webhooks",
        title="SendGrid's events, a post at a time (rate: events/s, latency: a post's)",
        measurements=[
            Measurement(
                side=side, setting=f"{POST} events a post", rate=statistics.median(rates[side]),
                rates=[round(rate, 1) for rate in rates[side]], latency=histogram.summary_ms(),
                histogram=histogram.to_json(),
            )
            for side, rounds in took.items()
            for histogram in [Histogram.of_ns(one for times in rounds for one in times)]
        ],
        figures=[
            figure("events/s", ours, goal=2_000),
            figure("events a CPU-second", cpu[_SIDES[0]], goal=2_000),
            figure("of grouped commits alone", [a / b for a, b in zip(ours, commits, strict=True)]),
            figure("of signature and JSON alone", [a / b for a, b in zip(ours, reading, strict=True)]),
        ],
        notes=[*_NOTES],
    )  # fmt: skip


async def _times(take: Callable[[Post], Awaitable[None]], posts: Sequence[Post]) -> list[int]:
    took = []
    for post in posts:
        started = time.perf_counter_ns()
        await take(post)
        took.append(time.perf_counter_ns() - started)
    return took


async def _sent(store: Store) -> list[str]:
    """Notifications whose mail was handed over."""
    at = now()
    made = [
        Notification(id=new_notification_id(at), tenant="default", user=f"user-{n}", type="alert", created_at=at)
        for n in range(POSTS * POST)
    ]
    await store.accept([Submission(tenant="default", notification=one, check_at=at) for one in made])
    story: tuple[dict[str, Any], ...] = (
        {"kind": "routed", "plan": ("email",)},
        {"kind": "sending", "target": "email", "attempt": 1},
        {"kind": "sent", "target": "email", "attempt": 1},
    )
    await store.record([
        Event(tenant="default", notification_id=one.id, at=at, **step) for one in made for step in story
    ])  # fmt: skip
    return [one.id for one in made]


def _events(names: list[str], unique: str) -> list[dict[str, Any]]:
    """Of one post, as SendGrid writes them."""
    return [
        {
            "email": f"user-{n}@example.com", "timestamp": int(time.time()),
            "event": ("delivered", "open", "click")[n % 3], "category": "news",
            "sg_event_id": f"{unique}-{n}", "sg_message_id": f"14c5d75ce93.dfd.64b469-{n}.recvd-7c5-0",
            "smtp-id": "<14c5d75ce93.dfd.64b469@ismtpd-555>", "response": "250 2.0.0 OK", "ip": "10.0.0.1", "tls": 1,
            "useragent": "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X)", "url": "https://example.com/offers",
            "hg_id": names[(hash(unique) + n) % len(names)], "hg_tenant": "default", "hg_target": "email",
            "hg_gen": "0", "hg_attempt": "1",
        }
        for n in range(POST)
    ]  # fmt: skip


def _application(store: Store, public_key: str) -> Any:
    async def ready() -> dict[str, Any]:
        return {}

    async def no_gauges() -> None:
        """There are none."""

    handlers = sendgrid.routes(store, now, public_key, 86_400)
    return application(handlers, ready=ready, before_metrics=no_gauges)


async def _call(app: Any, body: bytes, signature: str, timestamp: str) -> None:
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST", "scheme": "http",
        "path": PATH, "raw_path": PATH.encode(), "query_string": b"", "root_path": "",
        "headers": [
            (b"content-length", b"%d" % len(body)),
            (b"x-twilio-email-event-webhook-signature", signature.encode()),
            (b"x-twilio-email-event-webhook-timestamp", timestamp.encode()),
        ],
        "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80), "state": {},
    }  # fmt: skip
    statuses: list[int] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(event: Any) -> None:
        statuses.extend([event["status"]] if "status" in event else [])

    await app(scope, receive, send)
    if statuses != [204]:
        raise RuntimeError(f"the webhook was answered {statuses}")
