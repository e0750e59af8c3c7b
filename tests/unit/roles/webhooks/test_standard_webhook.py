"""Standard Webhooks from any provider: signed lately, recorded once, and only about deliveries that there are."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from standardwebhooks import Webhook

from heliograph.core.model import Key
from heliograph.roles.webhooks import standard
from heliograph.roles.webhooks.standard import parse_secrets
from heliograph.web import application
from tests.unit.given import T0, TENANT, event
from tests.unit.roles.api.service import Answer, call
from tests.unit.roles.world import World

SECRET = "whsec_" + base64.b64encode(b"s" * 24).decode()
NEXT = "whsec_" + base64.b64encode(b"n" * 32).decode()
ADDRESS = "anna@acme.example"


def happened(kind: str = "delivered", **data: Any) -> dict[str, Any]:
    return {
        "type": f"delivery.{kind}", "timestamp": "2027-01-15T08:00:00Z",
        "data": {"notification_id": "ntf_1", "tenant": TENANT, "channel": "email", "reason": "because", **data},
    }  # fmt: skip


def signed(body: bytes, secret: str = SECRET, name: str = "msg_1", age: timedelta = timedelta()) -> dict[str, str]:
    at = datetime.now(UTC) - age
    return {
        "webhook-id": name,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(secret).sign(name, at, body.decode()),
    }


class Hook(World):
    """A world in which a mail and a push were sent."""

    def __init__(self, *secrets: str) -> None:
        super().__init__()
        found = {"pushy": list(secrets or (SECRET,))}
        self.app = application(
            standard.routes(self.store, self.clock, found), ready=self._ready, before_metrics=self._refresh
        )

    async def _ready(self) -> dict[str, Any]:
        return {}

    async def _refresh(self) -> None:
        """No gauge here."""

    async def sent(self, *targets: str) -> Hook:
        await self.anna()
        await self.accept()
        await self.store.record([event("routed", plan=targets or ("email", "push:dev_1"))])
        for target in targets or ("email", "push:dev_1"):
            await self.store.record([event("sending", target, attempt=1), event("sent", target, attempt=1)])
        return self

    async def raw(self, body: bytes, headers: dict[str, str], provider: str = "pushy") -> Answer:
        return await call(self.app, "POST", f"/v1/webhooks/{provider}", [body], headers)

    async def post(self, told: dict[str, Any], name: str = "msg_1") -> str:
        body = json.dumps(told).encode()
        answer = await self.raw(body, signed(body, name=name))
        assert answer.status == 200, answer.body
        return str(answer.json["status"])


@pytest.mark.parametrize(
    ("kind", "status", "recorded", "reasons"),
    [
        ("delivered", "delivered", "delivered", ()), ("failed", "failed", "failed", ()),
        ("bounced", "failed", "failed", ("hard_bounce",)), ("complained", "sent", "complained", ("complaint",)),
        ("opened", "sent", "opened", ()), ("clicked", "sent", "clicked", ()),
    ],
)  # fmt: skip
async def test_each_type_says_its_own(kind: str, status: str, recorded: str, reasons: tuple[str, ...]) -> None:
    """About a mail: its status, a line in the timeline, and the user's address on the list where that follows."""
    hook = await Hook().sent()
    assert await hook.post(happened(kind, provider_id="p-1")) == "recorded"
    assert (await hook.delivery("email")).status == status
    last = (await hook.history()).events[-1]
    assert (last.kind, last.attempt, last.provider, last.provider_id, last.detail) == (
        recorded, 1, "pushy", "p-1", "because",
    )  # fmt: skip
    assert await hook.store.suppressed([Key(TENANT, ADDRESS)]) == [reasons]


async def test_the_address_that_bounced_may_be_told() -> None:
    """The user may have another one by now."""
    hook = await Hook().sent()
    await hook.post(happened("bounced", address="old@acme.example"))
    assert await hook.store.suppressed([Key(TENANT, ADDRESS), Key(TENANT, "old@acme.example")]) == [
        (),
        ("hard_bounce",),
    ]


@pytest.mark.parametrize(("device", "told"), [("dev_1", "recorded"), (None, "recorded"), ("dev_2", "ignored")])
async def test_about_a_push(device: str | None, told: str) -> None:
    """The device needn't be named where there was one only."""
    hook = await Hook().sent()
    assert await hook.post(happened("delivered", channel="push", device=device)) == told
    assert ((await hook.delivery("push:dev_1")).status == "delivered") is (told == "recorded")
    assert (await hook.delivery("email")).status == "sent"


async def test_several_pushes_need_the_device() -> None:
    """Else it could be any of them."""
    hook = await Hook().sent("push:dev_1", "push:dev_2")
    assert await hook.post(happened("delivered", channel="push")) == "ignored"
    assert await hook.post(happened("delivered", channel="push", device="dev_2")) == "recorded"
    assert (await hook.delivery("push:dev_1")).status == "sent"


async def test_a_repeat_is_recorded_once() -> None:
    """The same webhook-id, also after the delivery went on to another attempt."""
    hook = await Hook().sent()
    assert await hook.post(happened("opened")) == "recorded"
    assert await hook.post(happened("opened")) == "ignored"
    await hook.store.record([event("sending", "email", attempt=2)])
    assert await hook.post(happened("opened")) == "ignored"
    assert await hook.post(happened("opened"), "msg_2") == "recorded"
    assert (await hook.kinds()).count("opened email") == 2


async def test_a_late_word_never_moves_a_status_back() -> None:
    """Delivered stays delivered."""
    hook = await Hook().sent()
    await hook.post(happened("delivered"))
    await hook.post(happened("failed", reason="late"), "msg_2")
    assert (await hook.delivery("email")).status == "delivered"


@pytest.mark.parametrize(
    "data",
    [{"tenant": "other"}, {"tenant": "default"}, {"notification_id": "ntf_2"}, {"channel": "push", "device": "x"}],
)
async def test_what_is_not_ours_is_ignored(data: dict[str, Any]) -> None:
    """Another tenant's, an unknown one: 200, because the provider would repeat a refusal for days."""
    hook = await Hook().sent()
    before = await hook.history()
    assert await hook.post(happened("bounced", **data)) == "ignored"
    assert await hook.history() == before
    assert not hook.store._kept.suppressed


# --- signatures -------------------------------------------------------------------------------------------------------

BODY = json.dumps(happened()).encode()


FORGED: dict[str, Callable[[], dict[str, str]]] = {
    "nothing": dict,
    "no id": lambda: signed(BODY) | {"webhook-id": ""},
    "another id": lambda: signed(BODY) | {"webhook-id": "msg_2"},
    "no signature": lambda: signed(BODY) | {"webhook-signature": ""},
    "a version alone": lambda: signed(BODY) | {"webhook-signature": "v1"},
    "no base64": lambda: signed(BODY) | {"webhook-signature": "v1,???"},
    "no time": lambda: signed(BODY) | {"webhook-timestamp": "soon"},
    "another time": lambda: signed(BODY) | {"webhook-timestamp": "1"},
    "another body": lambda: signed(BODY + b" "),
    "another secret": lambda: signed(BODY, NEXT),
    "too old": lambda: signed(BODY, age=timedelta(minutes=6)),
    "too early": lambda: signed(BODY, age=timedelta(minutes=-6)),
    "another version": lambda: signed(BODY) | {"webhook-signature": "v1a," + signed(BODY)["webhook-signature"][3:]},
}
"""Made when the test runs: the library looks at the real clock."""


@pytest.mark.parametrize("forged", FORGED.values(), ids=FORGED)
@pytest.mark.parametrize("body", [BODY, b"\xff{not json"])
async def test_only_what_was_signed_lately_is_read(forged: Callable[[], dict[str, str]], body: bytes) -> None:
    """Else 401, before anything is parsed, and nothing changes."""
    hook = await Hook().sent()
    before = await hook.history()
    (await hook.raw(body, forged())).problem(401, "unauthorized")
    assert await hook.history() == before


async def test_a_provider_without_a_secret_is_not_heard() -> None:
    """401 like any other, so that nobody learns which ones there are."""
    hook = await Hook().sent()
    (await hook.raw(BODY, signed(BODY), "other")).problem(401, "unauthorized")


@pytest.mark.parametrize("secret", [SECRET, NEXT])
async def test_two_secrets_while_one_is_changed(secret: str) -> None:
    """Ours: both are taken. Theirs: a list of signatures, of which one is right."""
    hook = await Hook(SECRET, NEXT).sent()
    assert (await hook.raw(BODY, signed(BODY, secret))).json == {"status": "recorded"}
    other = await Hook(secret).sent()
    both = " ".join(signed(BODY, one)["webhook-signature"] for one in (SECRET, NEXT))
    listed = {**signed(BODY), "webhook-signature": f"v1a,abcd {both}"}
    assert (await other.raw(BODY, listed)).json == {"status": "recorded"}


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "invalid_json"), (b"[", 400, "invalid_json"), (b"[]", 422, "invalid"), (b"{}", 422, "invalid"),
        (json.dumps(happened("invented")).encode(), 422, "invalid"),
        (json.dumps(happened(channel="in_app")).encode(), 422, "invalid"),
        (json.dumps({**happened(), "timestamp": "soon"}).encode(), 422, "invalid"),
    ],
)  # fmt: skip
async def test_a_signed_body_of_another_shape(body: bytes, status: int, code: str) -> None:
    """A problem that says where."""
    (await (await Hook().sent()).raw(body, signed(body))).problem(status, code)


@pytest.mark.parametrize("timestamp", ["2027-01-15T07:59:58", "2027-01-15T09:59:58+02:00", "2027-01-15T07:59:58Z"])
async def test_times(timestamp: str) -> None:
    """Of any zone; without one it is UTC; never in the future."""
    hook = await Hook().sent()
    await hook.post({**happened("opened"), "timestamp": timestamp})
    await hook.post({**happened("opened"), "timestamp": "2099-01-01T00:00:00Z"}, "msg_2")
    assert [one.at for one in (await hook.history()).events][-2:] == [T0 - 2_000, T0]


async def test_a_store_that_is_away_is_a_503() -> None:
    """The provider repeats it, and the repeat counts."""
    hook = await Hook().sent()
    await hook.store.close_store()
    (await hook.raw(BODY, signed(BODY))).problem(503, "store_unavailable")
    await hook.store.open()
    assert (await hook.raw(BODY, signed(BODY))).json == {"status": "recorded"}


def test_secrets_are_read_from_one_setting() -> None:
    """By provider; two of one name while it changes."""
    assert parse_secrets("") == {}
    assert parse_secrets(f"pushy={SECRET}, pushy={NEXT},a-b={NEXT}") == {"pushy": [SECRET, NEXT], "a-b": [NEXT]}


@pytest.mark.parametrize(
    "setting", ["pushy", SECRET, f"={SECRET}", "pushy=", "pushy=whsec_", f"sendgrid={SECRET}", f"Big={SECRET}",
                "pushy=whsec_c2hvcnQ=", "pushy=whsec_!!!!", f"pushy={SECRET[6:]}"],
)  # fmt: skip
def test_a_wrong_setting_stops_the_start(setting: str) -> None:
    """And the message doesn't show the secret."""
    with pytest.raises(ValueError, match="HELIOGRAPH_WEBHOOK_SECRETS, part 1") as refused:
        parse_secrets(setting)
    assert SECRET not in str(refused.value)
