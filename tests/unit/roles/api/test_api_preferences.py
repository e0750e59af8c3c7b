"""What a user wants to hear where (CONTRACT section 3): kept whole or refused whole."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heliograph.core.errors import Problem
from heliograph.core.lanes import INGEST
from heliograph.core.model import CHANNELS, Preferences
from heliograph.roles.api.preferences import MAX_CATEGORIES, PreferencesInput, read
from tests.unit.roles.api.service import Service
from tests.unit.roles.world import ANNA

EMPTY: dict[str, Any] = {"channels": {}, "categories": {}}
WANTED = {"channels": {"email": True, "push": False}, "categories": {"marketing.news": {"email": False}}}
FOR_ANNA = "/v1/users/anna/preferences"


async def test_preferences_are_put_and_shown(service: Service) -> None:
    """By the service and by the person: the same ones."""
    token = service.token()
    assert (await service.call("PUT", FOR_ANNA, WANTED)).json == WANTED
    assert (await service.call("GET", FOR_ANNA)).json == WANTED
    assert (await service.call("GET", "/v1/preferences", key=token)).json == WANTED
    own = {"channels": {"in_app": False}, "categories": {}}
    answer = await service.call("PUT", "/v1/preferences", own, key=token)
    assert (answer.status, answer.json) == (200, own)
    assert (await service.call("GET", FOR_ANNA)).json == own


@pytest.mark.parametrize("path", [FOR_ANNA, "/v1/preferences"])
async def test_without_any_everything_is_allowed(service: Service, path: str) -> None:
    """Empty maps, also for a user whom nobody knows yet: neither is an error."""
    key = None if path == FOR_ANNA else service.token()
    assert (await service.call("GET", path, key=key)).json == EMPTY
    await service.anna()
    answer = await service.call("GET", path, key=key)
    assert (answer.status, answer.json) == (200, EMPTY)


@pytest.mark.parametrize("body", [{}, {"channels": {}}, {"categories": {}}, EMPTY, {"categories": {"a": {}}}])
async def test_putting_replaces(service: Service, body: dict[str, Any]) -> None:
    """What is left out is not muted any more; the answer is the whole."""
    await service.call("PUT", FOR_ANNA, WANTED)
    assert (await service.call("PUT", FOR_ANNA, body)).json == EMPTY | body
    assert (await service.call("GET", FOR_ANNA)).json == EMPTY | body


async def test_putting_the_user_leaves_them_alone(service: Service) -> None:
    """A back end that syncs its users doesn't undo what they chose."""
    await service.call("PUT", FOR_ANNA, WANTED)
    await service.call("PUT", "/v1/users/anna", {"email": "anna@acme.example"})
    await service.send(to={"id": "anna", "name": "Anna"})
    assert (await service.call("GET", FOR_ANNA)).json == WANTED
    assert "channels" not in (await service.call("GET", "/v1/users/anna")).json


async def test_an_erased_user_has_none(service: Service) -> None:
    """Nothing of the person stays."""
    await service.call("PUT", FOR_ANNA, WANTED)
    assert (await service.call("DELETE", "/v1/users/anna")).status == 204
    assert (await service.call("GET", FOR_ANNA)).json == EMPTY
    (await service.call("GET", "/v1/users/anna")).problem(404, "not_found")


async def test_a_namesake_has_their_own(service: Service) -> None:
    """In another tenant, by key and by token; and another user of the same tenant."""
    await service.call("PUT", FOR_ANNA, WANTED)
    assert (await service.call("GET", FOR_ANNA, key=service.other_key)).json == EMPTY
    await service.call("PUT", FOR_ANNA, {}, key=service.other_key)
    await service.call("PUT", "/v1/preferences", {}, key=service.token("anna", "other"))
    await service.call("PUT", "/v1/preferences", {}, key=service.token("bert"))
    assert (await service.call("GET", FOR_ANNA)).json == WANTED


@pytest.mark.parametrize(
    ("body", "path", "message"),
    [
        ([], "", "expected an object"),
        ("x", "", "expected an object"),
        ({"quiet_hours": {"from": "22:00", "to": "07:00"}}, "quiet_hours", "unknown field"),
        ({"channel": {}}, "channel", "unknown field"),
        ({"channels": None}, "channels", "expected an object"),
        ({"channels": ["email"]}, "channels", "expected an object"),
        ({"channels": {"sms": True}}, "channels.sms", "is no channel"),
        ({"channels": {"email": "no"}}, "channels.email", "expected true or false"),
        ({"channels": {"email": 0}}, "channels.email", "expected true or false"),
        ({"channels": {"email": None}}, "channels.email", "expected true or false"),
        ({"categories": []}, "categories", "expected an object"),
        ({"categories": {"a.b": True}}, 'categories["a.b"]', "expected an object"),
        ({"categories": {"a.b": {"fax": True}}}, 'categories["a.b"].fax', "is no channel"),
        ({"categories": {"a.b": {"push": 1}}}, 'categories["a.b"].push', "expected true or false"),
        ({"categories": {"": {}}}, 'categories[""]', "1 to 128 characters"),
        ({"categories": {"x" * 129: {}}}, f'categories["{"x" * 128}"]', "1 to 128 characters"),
        ({"categories": {"a\nb": {}}}, 'categories["a\\nb"]', "line feed"),
        ({"categories": {"a\u0000": {}}}, 'categories["a\\u0000"]', "null character"),
        ({"categories": {"a\u202eb\u2028": {}}}, 'categories["a\u202eb\u2028"]', "line separator"),
        ({"categories": {"=?utf-8?q?x?=": {}}}, 'categories["=?utf-8?q?x?="]', "encoded word"),
        ({"categories": {str(n): {} for n in range(MAX_CATEGORIES + 1)}}, "categories", "more than 100 categories"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("own", [False, True])
async def test_what_is_wrong_is_named_with_its_place(
    service: Service, body: Any, path: str, message: str, own: bool
) -> None:
    """422, and the preferences are as they were."""
    await service.call("PUT", FOR_ANNA, WANTED)
    where, key = ("/v1/preferences", service.token()) if own else (FOR_ANNA, None)
    found = (await service.call("PUT", where, body, key=key)).problem(422, "invalid")
    assert message in found[path]
    assert len(found) == 1
    assert (await service.call("GET", FOR_ANNA)).json == WANTED


async def test_everything_wrong_is_named_at_once(service: Service) -> None:
    """A caller mends all in one go; a flood of flaws is cut."""
    body = {"x": 1, "channels": {"sms": True, "email": 1}, "categories": {"": {"push": "x"}, "a": 1}}
    found = (await service.call("PUT", FOR_ANNA, body)).problem(422, "invalid")
    assert set(found) == {"x", "channels.sms", "channels.email", 'categories[""]', 'categories[""].push',
                          'categories["a"]'}  # fmt: skip
    flood = (await service.call("PUT", FOR_ANNA, {f"f{n}": 1 for n in range(1_000)})).problem(422, "invalid")
    assert len(flood) == 100


async def test_what_is_no_json_is_a_400(service: Service) -> None:
    """Half a body, no body, no UTF-8, too deep."""
    for raw in (b"", b"{", b"\xff", b"[" * 5_000, b'{"categories": {"\\ud800": {}}}'):
        (await service.call("PUT", FOR_ANNA, raw=raw)).problem(400, "invalid_json")
    assert await service.store.preferences([ANNA]) == [Preferences()]


async def test_whose_preferences_they_are_must_be_said(service: Service) -> None:
    """No key, a key where a token belongs, and the reverse: 401. An id that nobody can have: 422."""
    for path, wrong in ((FOR_ANNA, service.token()), ("/v1/preferences", service.key), (FOR_ANNA, "")):
        for method in ("GET", "PUT"):
            (await service.call(method, path, {}, key=wrong)).problem(401, "unauthorized")
    for method in ("GET", "PUT"):
        (await service.call(method, "/v1/users/a%20b/preferences".replace("%20", " "), {})).problem(422, "invalid")


async def test_the_most_that_is_taken(service: Service) -> None:
    """Every channel, and as many categories of the longest names as are allowed, whatever the script."""
    body = {
        "channels": dict.fromkeys(CHANNELS, False),
        "categories": {f"{n:03d}{'ü' * 125}": dict.fromkeys(CHANNELS, True) for n in range(MAX_CATEGORIES)},
    }
    assert (await service.call("PUT", FOR_ANNA, body)).json == body
    assert service.waiting(INGEST) == []


KEYS = st.sampled_from([*CHANNELS, "sms", ""])
VALUES = st.sampled_from([True, False, None, 1, "no", {}, []])
MAPS = st.dictionaries(KEYS, VALUES, max_size=3) | st.sampled_from([None, 1, []])
BODIES = st.fixed_dictionaries(
    {}, optional={"channels": MAPS, "categories": st.dictionaries(st.text(max_size=130), MAPS, max_size=3), "z": VALUES}
)


@settings(max_examples=300, deadline=None, database=None)
@given(BODIES)
def test_the_published_shape_is_what_is_taken(body: Any) -> None:
    """`/openapi.json` shows `PreferencesInput`: what it refuses is refused, what is taken fits it."""
    raw = json.dumps(body).encode()
    shown, taken = tried(lambda: msgspec.json.decode(raw, type=PreferencesInput)), tried(lambda: read(raw))
    if isinstance(taken, Problem):
        # A control character in a name is what the shape can't say.
        assert isinstance(shown, Exception) or all("contains" in flaw.message for flaw in taken.flaws)
    else:
        assert (taken.channels, taken.categories) == (shown.channels, shown.categories)


def tried(call: Callable[[], Any]) -> Any:
    """What it answers, or why it doesn't."""
    try:
        return call()
    except (msgspec.ValidationError, Problem) as error:
        return error
