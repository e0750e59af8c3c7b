"""What a bulk send may be, and what of it is refused by its place."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heliograph.core import bulk
from heliograph.core.bulk import MAX_SENDS, Bulk, Rejected, Sound
from heliograph.core.errors import Problem
from heliograph.core.model import Level
from tests.unit.given import T0, TENANT

FINE: dict[str, Any] = {"to": "anna", "title": "Hello"}
KINDS = st.sampled_from(["transactional", "alert", "marketing"])


def made(sends: list[Any]) -> Bulk:
    texts = [send if isinstance(send, bytes) else msgspec.json.encode(send) for send in sends]
    return bulk.submissions(bulk.checked(enumerate(texts)), len(texts), TENANT, T0, None)


def test_an_array_and_lines_say_the_same() -> None:
    """NDJSON may have empty lines and either line end."""
    array = json.dumps([FINE, FINE]).encode()
    lines = b"\n" + json.dumps(FINE).encode() + b"\r\n\n" + json.dumps(FINE).encode()
    read, told = (
        [one for one in bulk.checked(enumerate(texts)) if isinstance(one, Sound)]
        for texts in (bulk.texts_of(array, lines=False), bulk.texts_of(lines, lines=True))
    )
    assert [(one.place, one.request) for one in read] == [(one.place, one.request) for one in told]
    assert [one.place for one in told] == [0, 1]


def test_a_name_twice_spoils_its_own_send_only() -> None:
    """Readers take such a send differently: it is refused by its place."""
    found = list(bulk.checked(enumerate([b'{"to": "a", "title": "x", "to": "b"}', msgspec.json.encode(FINE)])))
    assert [(type(one), one.code) if isinstance(one, Rejected) else type(one) for one in found] == [
        (Rejected, "invalid_json"), Sound]  # fmt: skip


@pytest.mark.parametrize(
    ("body", "lines", "code"),
    [
        (b"{}", False, "invalid_json"), (b"[", False, "invalid_json"), (b"\xff", False, "invalid_json"),
        (b"[" * 100_000, False, "invalid_json"), (b"[]", False, "invalid"), (b" \n ", True, "invalid"),
        (b"[" + b"1," * MAX_SENDS + b"1]", False, "too_large"), (b"1\n" * (MAX_SENDS + 1), True, "too_large"),
    ],
)  # fmt: skip
def test_a_body_that_is_no_bulk(body: bytes, lines: bool, code: str) -> None:
    """Refused as a whole."""
    with pytest.raises(Problem) as refused:
        bulk.texts_of(body, lines=lines)
    assert refused.value.kind.code == code


@pytest.mark.parametrize(
    ("send", "code", "told"),
    [
        (b"{", "invalid_json", "not valid JSON"), (b"[" * 10_000, "invalid_json", "not valid JSON"),
        (5, "invalid", "expected"),
        ({"to": "anna"}, "invalid", "title: "), ({**FINE, "to": ["a"]}, "invalid", "to: is one recipient"),
        ({**FINE, "to": {"topic": "news"}}, "invalid", "to: is one recipient"),
        ({**FINE, "colour": 1}, "invalid", "colour: "),
        ({**FINE, "type": "urgent", "body": 5}, "invalid", "body: "), ({**FINE, "title": "a\nb"}, "invalid", "title: "),
    ],
)  # fmt: skip
def test_a_flawed_send_is_refused_by_its_place(send: Any, code: str, told: str) -> None:
    """With everything that is wrong with it; its neighbours are taken."""
    found = made([FINE, send, FINE])
    (refused,) = found.rejected
    assert (refused.index, refused.code, told in refused.detail) == (1, code, True)
    assert found.batch.batch
    assert [one.place for one in found.batch.batch.sends] == [0, 2]
    assert bulk.ids_of(found, found.batch.id, [])[1] is None


@settings(max_examples=60, deadline=None, database=None)
@given(st.lists(st.tuples(KINDS, st.booleans(), st.booleans()), min_size=1, max_size=12))
def test_every_send_is_somewhere_and_the_urgent_come_first(wanted: list[tuple[str, bool, bool]]) -> None:
    """In the batch, among those with a key, or refused; ids stand where the sends stood; each level keeps its order."""
    sends: list[dict[str, Any]] = [
        {"to": "a" if sound else "", "title": str(n), "type": kind} | ({"idempotency_key": f"k{n}"} if keyed else {})
        for n, (kind, keyed, sound) in enumerate(wanted)
    ]
    found = made(sends)
    batch = found.batch.batch
    assert batch
    places = [one.place for one in batch.sends] + [place for place, _ in found.keyed]
    assert sorted(places + [one.index for one in found.rejected]) == list(range(len(sends)))
    assert [(one.notification.level, one.place) for one in batch.sends] == sorted(
        (one.notification.level, one.place) for one in batch.sends
    )
    ids = bulk.ids_of(found, batch.id, [one.id for _, one in found.keyed])
    shown: list[Any] = [batch.at_place(place) for place in range(len(sends))]
    for place, submission in found.keyed:
        assert submission.idempotency
        assert submission.notification
        assert submission.notification.batch_id == batch.id
        shown[place] = submission.notification
    assert [one and (one.id, one.title) for one in shown] == [id_ and (id_, str(n)) for n, id_ in enumerate(ids)]
    walked, index = [], 0
    while chunk := batch.members(index, 3):
        assert len({one.level for one in chunk}) == 1
        assert chunk[0].level is batch.level_at(index)
        walked += chunk
        index += len(chunk)
    assert [one.id for one in walked] == [batch.member(n).id for n in range(batch.size)]


def test_inline_users_come_along() -> None:
    """As with a single send; of refused sends nothing is written."""
    person = {"id": "zoe", "email": "zoe@acme.example"}
    found = made(
        [{**FINE, "to": person}, {"to": {**person, "id": "ben"}}, {**FINE, "to": person, "idempotency_key": "k"}]
    )
    assert [user.id for user in found.batch.users] == ["zoe"]
    assert [[user.id for user in one.users] for _, one in found.keyed] == [["zoe"]]


def test_a_key_of_another_body_is_a_refusal_too() -> None:
    """In the order of the request, among the others."""
    found = made([FINE, {**FINE, "idempotency_key": "k"}, {}])
    assert bulk.ids_of(found, found.batch.id, [None])[1:] == [None, None]
    assert [(one.index, one.code) for one in bulk.rejected_of(found, [None])] == [
        (1, "idempotency_mismatch"), (2, "invalid"),
    ]  # fmt: skip
    assert bulk.rejected_of(found, ["ntf_1"]) == [Rejected(2, "invalid", found.rejected[0].detail)]
    assert found.batch.batch
    assert found.batch.batch.level is Level.P1
