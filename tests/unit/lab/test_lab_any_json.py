"""No JSON document, however odd, may break a provider of the lab or make its journal unreadable."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from heliograph.lab.exchange import Call, HttpProvider
from heliograph.lab.faults import Verdict
from heliograph.lab.fcm import DIALECT as FCM_DIALECT
from heliograph.lab.fcm import Fcm
from heliograph.lab.gate import Gate
from heliograph.lab.oauth import AccessTokens
from heliograph.lab.sendgrid import DIALECT as SENDGRID_DIALECT
from heliograph.lab.sendgrid import SendGrid

ODD: list[Any] = [
    None,
    0,
    -1,
    1.5,
    True,
    10**30,
    "",
    "x",
    "\u0000",
    "é" * 10,
    [],
    [None],
    ["x"],
    [{}],
    [[1]],
    {},
    {"a": 1},
]

MAIL: dict[str, Any] = {
    "personalizations": [
        {
            "to": [{"email": "b@example.com", "name": "Bob"}],
            "cc": [{"email": "c@example.com"}],
            "custom_args": {"a": "b"},
            "subject": "s",
            "headers": {"X": "y"},
            "substitutions": {"-a-": "b"},
            "send_at": 5,
        }
    ],
    "from": {"email": "a@example.com", "name": "A"},
    "reply_to": {"email": "q@example.com"},
    "subject": "s",
    "content": [{"type": "text/plain", "value": "hi"}, {"type": "text/html", "value": "<p>hi</p>"}],
    "headers": {"A": "b"},
    "custom_args": {"r": "q"},
    "categories": ["a"],
    "send_at": 7,
    "asm": {"group_id": 5, "groups_to_display": [1]},
    "ip_pool_name": "pool",
    "mail_settings": {"sandbox_mode": {"enable": False}, "bypass_list_management": {"enable": True}},
    "attachments": [{"content": "aGk=", "filename": "x", "disposition": "inline"}],
    "template_id": "d-1",
}
PUSH: dict[str, Any] = {
    "message": {
        "token": "t",
        "notification": {"title": "a", "body": "b", "image": "c"},
        "data": {"k": "v"},
        "android": {
            "ttl": "5s",
            "priority": "high",
            "data": {"k": "v"},
            "notification": {"color": "#00ff00", "title": "z", "body_loc_args": ["a"], "notification_count": 5},
            "fcm_options": {"analytics_label": "x"},
        },
        "apns": {"headers": {"apns-priority": "5"}, "payload": {"aps": {"alert": {"title": "t", "body": "b"}}}},
        "webpush": {"headers": {"TTL": "5"}, "fcm_options": {"link": "https://x.io"}},
        "fcmOptions": {"analyticsLabel": "z"},
    },
    "validate_only": False,
}


def places(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every value in a document, the document itself included."""
    yield path
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in items:
        yield from places(value, (*path, key))


def replaced(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    changed = copy.deepcopy(document)
    node = changed
    for key in path[:-1]:
        node = node[key]
    node[path[-1]] = value
    return changed


def providers() -> dict[str, tuple[HttpProvider, dict[str, str], dict[str, Any]]]:
    chance, tokens = random.Random(1), AccessTokens()
    bearer = tokens.issue(frozenset({"https://www.googleapis.com/auth/cloud-platform"}), 1e12)
    return {
        "sendgrid": (
            SendGrid(Gate("sendgrid", SENDGRID_DIALECT, chance)),
            {"authorization": "Bearer SG.x", "content-type": "application/json"},
            MAIL,
        ),
        "fcm": (Fcm(Gate("fcm", FCM_DIALECT, chance), tokens, "p"), {"authorization": f"Bearer {bearer}"}, PUSH),
    }


@pytest.mark.parametrize("name", ["sendgrid", "fcm"])
async def test_every_field_may_be_anything(name: str) -> None:
    """Each value of a full request replaced by each odd value: an answer of the provider, and a readable record."""
    provider, headers, document = providers()[name]
    answers = set()
    for path in places(document):
        for value in ODD:
            call = Call(headers, msgspec.json.encode(replaced(document, path, value)), "p")
            letters = provider.read(call)
            answers.add((await provider.answer(call, letters, Verdict())).status)
            assert letters
            for letter in letters:
                msgspec.json.encode(letter.content.view())
    assert answers == ({200, 202, 400} if name == "sendgrid" else {200, 400})
