"""What a caller may ask to send: every way in which a request can be wrong, and what a right one becomes."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heliograph.core.errors import Problem
from heliograph.core.flaws import MAX_DEPTH
from heliograph.core.lanes import IngestItem
from heliograph.core.model import Notification, User
from heliograph.core.ports import Idempotency
from heliograph.core.reconciling import GRACE_MS
from heliograph.core.sending import MAX_BODY, fingerprint_of, read, submission, url_is_safe
from tests.unit.given import T0, TENANT

SETTINGS = settings(max_examples=80, deadline=None, database=None)
VALID: dict[str, Any] = {"to": "anna", "title": "Hello"}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)
FIELDS = st.sampled_from([
    "to", "type", "category", "title", "body", "data", "action_url", "image_url", "badge", "channels", "collapse_key",
    "ttl_s", "idempotency_key", "send_at", "template", "id",
])  # fmt: skip


def nested(depth: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for _ in range(depth - 1):
        found = {"a": found}
    return found


def problem_of(body: bytes) -> Problem:
    with pytest.raises(Problem) as refused:
        read(body)
    return refused.value


def refusal_of(body: bytes) -> Problem | None:
    try:
        read(body)
    except Problem as problem:
        return problem
    return None


def flaws_of(**fields: Any) -> dict[str, str]:
    problem = problem_of(json.dumps({**VALID, **fields}).encode())
    assert problem.kind.code == "invalid"
    return {flaw.path: flaw.message for flaw in problem.flaws}


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        # not in the contract, or not yet
        ({"subject": "x"}, "subject"), ({"To": "x"}, "To"), ({"tenant": "other"}, "tenant"), ({"id": "ntf_1"}, "id"),
        ({"send_at": "2027-01-01T09:00:00Z"}, "send_at"), ({"template": "welcome"}, "template"),
        # wrong types
        ({"to": 5}, "to"), ({"to": None}, "to"), ({"to": True}, "to"), ({"to": ["a", 5]}, "to[1]"),
        ({"to": [["a"]]}, "to[0]"), ({"type": "urgent"}, "type"), ({"type": 1}, "type"), ({"title": 5}, "title"),
        ({"title": None}, "title"), ({"body": ["x"]}, "body"), ({"data": "x"}, "data"), ({"data": [1]}, "data"),
        ({"category": 5}, "category"), ({"action_url": 5}, "action_url"), ({"channels": "email"}, "channels"),
        ({"channels": ["sms"]}, "channels[0]"), ({"channels": []}, "channels"), ({"collapse_key": ""}, "collapse_key"),
        ({"ttl_s": "60"}, "ttl_s"), ({"ttl_s": 1.5}, "ttl_s"), ({"ttl_s": True}, "ttl_s"), ({"ttl_s": 0}, "ttl_s"),
        ({"ttl_s": -1}, "ttl_s"), ({"ttl_s": 10**30}, "ttl_s"), ({"ttl_s": 30 * 86_400 + 1}, "ttl_s"),
        ({"idempotency_key": ""}, "idempotency_key"), ({"idempotency_key": "k" * 256}, "idempotency_key"),
        # recipients
        ({"to": ""}, "to"), ({"to": []}, "to"), ({"to": {}}, "to.id"), ({"to": {"topic": "rel eases"}}, "to.topic"),
        ({"to": "a b"}, "to"), ({"to": "a/b"}, "to"), ({"to": "x" * 129}, "to"), ({"to": "a\u2028b"}, "to"),
        ({"to": "a\nb"}, "to"), ({"to": ["anna", ""]}, "to[1]"), ({"to": ["u"] * 1_001}, "to"),
        ({"to": {"id": ""}}, "to.id"), ({"to": {"id": "a", "phone": "1"}}, "to.phone"),
        ({"to": {"id": "a", "email": "nobody"}}, "to.email"), ({"to": {"id": "a", "email": ""}}, "to.email"),
        ({"to": {"id": "a", "email": "a@b.example\r\nBcc: c@d.example"}}, "to.email"),
        ({"to": {"id": "a", "email": 5}}, "to.email"), ({"to": {"id": "a", "name": "A\r\nBcc: x"}}, "to.name"),
        ({"to": {"id": "a", "name": "x" * 201}}, "to.name"), ({"to": {"id": "a", "locale": "x" * 36}}, "to.locale"),
        ({"to": {"id": "a", "timezone": "x" * 65}}, "to.timezone"), ({"to": {"id": "a", "data": 5}}, "to.data"),
        ({"to": ["anna", {"id": "b", "email": "no"}]}, "to[1].email"),
        ({"to": ["anna", {"id": "b", "name": "=?utf-8?q?x?="}]}, "to[1].name"),
        ({"to": {"id": "a", "data": nested(MAX_DEPTH + 1)}}, "to.data"),
        # what becomes a mail header
        ({"title": "a\r\nBcc: x@y.example"}, "title"), ({"title": "a\nb"}, "title"), ({"title": "a\rb"}, "title"),
        ({"title": "a\0b"}, "title"), ({"title": "a\u2028b"}, "title"), ({"title": "=?utf-8?b?QQ==?="}, "title"),
        ({"title": "x" * 201}, "title"), ({"title": "", "body": ""}, "title"), ({"title": " ", "body": "\n"}, "title"),
        ({"category": "a\nb"}, "category"), ({"category": "x" * 129}, "category"),
        ({"collapse_key": "a\rb"}, "collapse_key"), ({"collapse_key": "x" * 65}, "collapse_key"),
        # the body and what rides along
        ({"body": "x" * (MAX_BODY + 1)}, "body"), ({"body": "€" * (MAX_BODY // 3 + 1)}, "body"),
        ({"body": "😀" * (MAX_BODY // 4 + 1)}, "body"), ({"body": "a\0b"}, "body"),
        ({"data": {"n": 2**63}}, "data"), ({"data": {"n": [-(2**63) - 1]}}, "data"),
        ({"data": nested(MAX_DEPTH + 1)}, "data"), ({"action_url": "javascript:alert(1)"}, "action_url"),
        ({"image_url": "data:image/png;base64,x"}, "image_url"), ({"badge": -1}, "badge"),
        ({"badge": 100_000}, "badge"),
        ({"action_url": "/orders"}, "action_url"), ({"action_url": "https://"}, "action_url"),
        ({"action_url": "https://a b"}, "action_url"),
        ({"action_url": "https://a\nb"}, "action_url"),
        ({"action_url": "https://x.example/" + "x" * 2048}, "action_url"),
    ],
)  # fmt: skip
def test_every_flaw_is_named_with_its_path(fields: dict[str, Any], path: str) -> None:
    """One wrong thing = one entry, with the path from the body's root and a sentence."""
    flaws = flaws_of(**fields)
    assert list(flaws) == [path]
    assert flaws[path]


def test_all_flaws_are_named_at_once() -> None:
    """A caller mends a request in one go, not one round trip a mistake."""
    assert set(flaws_of(title=5, ttl_s="x", color="red", channels=["fax"])) == {
        "title",
        "ttl_s",
        "color",
        "channels[0]",
    }
    both = flaws_of(to=["", {"id": "a", "email": "x"}], title="a\nb", action_url="ftp://x", body="\0")
    assert set(both) == {"to[0]", "to[1].email", "title", "action_url", "body"}


@pytest.mark.parametrize("body", [b"{}", b'{"title": "x"}', b'{"type": "alert"}'])
def test_a_missing_recipient_is_named(body: bytes) -> None:
    """`to` is the one required field."""
    assert "to" in {flaw.path for flaw in problem_of(body).flaws}


@pytest.mark.parametrize("body", [b"null", b"[]", b'"x"', b"5", b"[{}]"])
def test_what_is_not_an_object_is_no_send(body: bytes) -> None:
    """Valid JSON of another shape is a 422, not a 400."""
    assert problem_of(body).kind.status == 422


@pytest.mark.parametrize(
    "body",
    [
        b"", b" ", b"{", b'{"to":}', b"{'to': 'anna'}", b'{"to": "anna",}', b'{"to": "anna"} x', b"\xef\xbb\xbf{}",
        b"\0", b'{"to": "anna", "title": "x", "data": {"n": NaN}}',
        b'{"to": "anna", "title": "x", "data": {"n": Infinity}}',
        b'{"to": "anna", "title": "x", "data": {"n": 1e999}}', b'{"to": "anna", "title": "\xff"}',
        b'{"to": "anna", "title": "\xed\xa0\x80"}', b'{"to": "anna", "title": "\\ud800"}', b'{"to": "a\\udfff"}',
        b'{"to": "anna", "title": "x", "data": {"\\ud800": 1}}', b'{"to": "anna", "title": "tab\there"}',
        b"[" * 100_000, b'{"to":' * 100_000,
        b'{"to": "a", "title": "x", "data": ' + b'{"a":' * 90_000 + b"1" + b"}" * 90_001,
        b'{"to": "a", "x": ' + b"[" * 90_000 + b"]" * 90_000 + b"}",
    ],
)  # fmt: skip
def test_what_is_not_json_in_utf_8_is_a_400(body: bytes) -> None:
    """NaN, lone surrogates, broken UTF-8, endless nesting: refused as not being JSON, the process alive."""
    problem = problem_of(body)
    assert (problem.kind.code, problem.kind.status) == ("invalid_json", 400)


@SETTINGS
@given(st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
def test_no_body_is_a_bug(body: bytes) -> None:
    """Whatever bytes come, the answer is a request or a `Problem` with a 4xx."""
    problem = refusal_of(body)
    assert problem is None or 400 <= problem.kind.status < 500


@SETTINGS
@given(st.dictionaries(FIELDS, JSON, max_size=5))
def test_no_json_is_a_bug(fields: dict[str, Any]) -> None:
    """What is accepted can be kept and handed on: stored as JSON, carried as msgpack, the same when read back."""
    body = json.dumps({**VALID, **fields}).encode()
    problem = refusal_of(body)
    if problem:
        assert problem.kind.code == "invalid"
        assert problem.flaws
        assert all(flaw.path.startswith(tuple(fields)) for flaw in problem.flaws)
        return
    found = submission(read(body), TENANT, T0, "f")
    content = found.notification or (found.batch and found.batch.content)
    assert content
    assert msgspec.json.decode(msgspec.json.encode(content), type=Notification) == content
    item = IngestItem(content.lighten())
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(item), type=IngestItem) == item


@pytest.mark.parametrize(
    "fields",
    [
        {}, {"title": "", "body": "x"}, {"title": "x" * 200}, {"title": "é€😀 ترجمة"}, {"body": "x" * MAX_BODY},
        {"body": "😀" * (MAX_BODY // 4)}, {"body": "line\nline\r\n\ttab"}, {"to": "üser@x:y|z"}, {"to": "x" * 128},
        {"to": ["u"] * 1_000}, {"to": {"id": "a", "email": None}}, {"ttl_s": 1}, {"ttl_s": 30 * 86_400},
        {"channels": ["email", "email", "push"]}, {"data": {"n": 2**63 - 1, "m": -(2**63), "x": 1.5, "s": "\u2028"}},
        {"data": nested(MAX_DEPTH)}, {"action_url": "HTTPS://shop.example/a?b=c#d"}, {"category": None, "data": None},
    ],
)  # fmt: skip
def test_the_bounds_themselves_are_accepted(fields: dict[str, Any]) -> None:
    """The last value within a limit passes."""
    assert read(json.dumps({**VALID, **fields}).encode())


def test_one_recipient_becomes_one_notification() -> None:
    """With the sender's fields, an id, a time to live as a moment, and the user named inline."""
    request = read(json.dumps({
        "to": {"id": "anna", "email": "anna@acme.example"}, "type": "transactional", "title": "T", "body": "B",
        "channels": ["email", "email"], "ttl_s": 60, "collapse_key": "c", "data": {"a": 1},
    }).encode())  # fmt: skip
    found = submission(request, TENANT, T0, "f")
    assert found.batch is None
    assert found.notification == Notification(
        id=found.id, tenant=TENANT, user="anna", type="transactional", created_at=T0, title="T", body="B",
        data={"a": 1}, channels=("email",), collapse_key="c", expires_at=T0 + 60_000,
    )  # fmt: skip
    assert found.id.startswith("ntf_")
    assert found.users == (User(TENANT, "anna", "anna@acme.example", updated_at=T0),)
    assert (found.idempotency, found.check_at) == (None, T0 + GRACE_MS)


def test_a_list_becomes_one_batch() -> None:
    """One document whatever its length, its members derivable from it; a list of one is a list."""
    request = read(json.dumps({"to": ["anna", {"id": "bert", "name": "Bert"}], "title": "T"}).encode())
    found = submission(request, TENANT, T0, "f")
    assert found.notification is None
    assert found.batch
    assert found.batch.users == ("anna", "bert")
    assert [user.id for user in found.users] == ["bert"]
    members = [found.batch.member(n) for n in range(2)]
    assert [member.user for member in members] == ["anna", "bert"]
    assert [member.id for member in members] == [f"ntf_{found.id[4:]}-00000", f"ntf_{found.id[4:]}-00001"]
    assert {member.batch_id for member in members} == {found.id}
    assert submission(read(b'{"to": ["anna"], "title": "x"}'), TENANT, T0, "").batch


def test_the_headers_idempotency_key_wins() -> None:
    """Header or body; the fingerprint goes with it."""
    request = read(b'{"to": "anna", "title": "x", "idempotency_key": "in-body"}')
    assert submission(request, TENANT, T0, "f").idempotency == Idempotency("in-body", "f")
    assert submission(request, TENANT, T0, "f", "in-header").idempotency == Idempotency("in-header", "f")


@SETTINGS
@given(st.dictionaries(st.text(max_size=5), JSON, min_size=2, max_size=5), st.randoms(use_true_random=False))
def test_a_fingerprint_is_of_the_meaning(value: dict[str, Any], random: Any) -> None:
    """Order of names and spacing don't matter; any other difference does."""
    shuffled = list(value.items())
    random.shuffle(shuffled)
    same = json.dumps(dict(shuffled), indent=2).encode()
    assert fingerprint_of(same) == fingerprint_of(json.dumps(value).encode())
    other = {**value, next(iter(value)): {"something": "else entirely"}}
    assert fingerprint_of(json.dumps(other).encode()) != fingerprint_of(same)


@pytest.mark.parametrize("url", ["http://a", "https://a.example/ü?q=1", "HTTP://A"])
def test_http_urls_are_safe(url: str) -> None:
    """Nothing but http and https becomes a link anywhere."""
    assert url_is_safe(url)


@pytest.mark.parametrize(
    "url", ["", "http:/a", "//a", "data:text/html,x", "https://a\u2028b", "https://a\x7f", " https://a"]
)
def test_other_urls_are_not(url: str) -> None:
    """Other schemes run code; white space and controls hide what a link is."""
    assert not url_is_safe(url)
