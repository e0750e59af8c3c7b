"""What may be edited of a dead letter: by the rules of a send, and nothing that decided its route."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from heliograph.core.errors import Problem
from heliograph.core.mending import EDITABLE, Mend, discarded, edited, mended
from heliograph.core.model import Level, Notification
from heliograph.core.ports import DeadLetter
from tests.unit.given import T0, TENANT, notification


def letter(target: str = "email") -> DeadLetter:
    return DeadLetter(
        tenant=TENANT, notification_id="ntf_1", target=target, lane="outbox", level=Level.P0, cause="400", at=T0
    )


def mend(**changes: Any) -> Mend:
    return msgspec.convert(changes, Mend)


def test_content_is_replaced_and_the_rest_stays() -> None:
    """null takes away what may be missing."""
    before = notification(data={"a": 1}, action_url="https://x.example", category="c", collapse_key="k")
    found = mended(before, letter(), mend(title="New", data=None, action_url=None, email="a@b.example"))
    assert found == msgspec.structs.replace(before, title="New", data=None, action_url=None)


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({}, ""), ({"title": "a\nBcc: x@y.example"}, "title"), ({"title": "", "body": ""}, "title"),
        ({"action_url": "javascript:x"}, "action_url"), ({"image_url": "x"}, "image_url"),
        ({"data": {"n": 2**64}}, "data"), ({"email": "nobody"}, "email"), ({"email": "a@b.example\nX: y"}, "email"),
        ({"body": "x\0"}, "body"),
    ],
)  # fmt: skip
def test_the_rules_are_those_of_a_send(changes: dict[str, Any], path: str) -> None:
    """Nothing flawed comes in by this door."""
    with pytest.raises(Problem) as refused:
        mended(notification(), letter(), mend(**changes))
    assert [flaw.path for flaw in refused.value.flaws] == [path]


@pytest.mark.parametrize("name", [name for name in Notification.__struct_fields__ if name not in EDITABLE])
def test_what_decided_the_route_stays(name: str) -> None:
    """User, type, channels, category and all the others are no fields of an edit."""
    with pytest.raises(msgspec.ValidationError):
        mend(**{name: "x"})


def test_a_push_has_no_address() -> None:
    """Its device's token isn't ours to guess."""
    with pytest.raises(Problem) as refused:
        mended(notification(), letter("push:dev_1"), mend(email="a@b.example"))
    assert refused.value.flaws[0].path == "email"


def test_the_traces() -> None:
    """An edit names the fields, not what stood there; a discard ends its generation."""
    trace = edited(letter(), mend(title="secret", email="a@b.example"), T0)
    assert (trace.kind, trace.detail, trace.settles, trace.opens) == ("edited", "title, email", None, 0)
    end = discarded(letter(), "their typo", 2, T0)
    assert (end.kind, end.detail, end.settles, end.opens) == ("discarded", "their typo", "email.2", 0)
