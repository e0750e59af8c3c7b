"""Issue 2, "Bad input": the right 4xx as problem+json with the path of each error, and nothing stored."""

from __future__ import annotations

import asyncio
import gzip
import json
from typing import Any

import pytest

from heliograph.core.lanes import INGEST
from heliograph.core.sending import MAX_BODY as MAX_TEXT
from heliograph.web import MAX_BODY
from tests.unit.roles.api.service import Service, call

GOOD: dict[str, Any] = {"to": "anna", "title": "Hello"}
SENDS = ["/v1/send", "/send"]


@pytest.fixture(scope="module")
def service() -> Service:
    """One for all: nothing that is refused changes it."""
    return asyncio.run(Service().open())


async def refused(service: Service, status: int, code: str, **request: Any) -> dict[str, str]:
    """Sends it, checks the problem, and that the world is as it was."""
    before, waiting = service.kept, service.waiting(INGEST)
    answer = await service.call("POST", request.pop("path", "/v1/send"), **request)
    found = answer.problem(status, code)
    await service.sending.drained()
    assert service.kept == before
    assert service.waiting(INGEST) == waiting
    return found


@pytest.mark.parametrize(
    ("fields", "paths"),
    [
        ({"colour": "red"}, {"colour"}), ({"send_at": "2027-01-01T09:00:00Z"}, {"send_at"}),
        ({"template": "x"}, {"template"}), ({"to": {"topic": "a b"}}, {"to.topic"}), ({"to": 5}, {"to"}),
        ({"to": {"topic": "x", "id": "anna"}}, {"to"}), ({"to": ["a", {"topic": "x"}]}, {"to[1].topic"}),
        ({"to": {"email": "a@b.example"}}, {"to.id"}),
        ({"to": ""}, {"to"}), ({"to": []}, {"to"}), ({"to": ["a"] * 1_001}, {"to"}), ({"to": ["a", "b c"]}, {"to[1]"}),
        ({"to": {"id": "a", "email": "x"}}, {"to.email"}), ({"to": {"id": "a", "e-mail": "x"}}, {"to.e-mail"}),
        ({"type": "urgent"}, {"type"}), ({"title": 5}, {"title"}), ({"title": "x" * 201}, {"title"}),
        ({"body": "x" * (MAX_TEXT + 1)}, {"body"}), ({"body": "€" * (MAX_TEXT // 2)}, {"body"}),
        ({"title": "a\r\nBcc: b@c.example"}, {"title"}), ({"title": "a\nb"}, {"title"}),
        ({"title": "=?utf-8?q?=0d=0aBcc?="}, {"title"}), ({"to": {"id": "a", "name": "x\ny"}}, {"to.name"}),
        ({"to": {"id": "a", "email": "a@b.example\nBcc: c@d.example"}}, {"to.email"}),
        ({"channels": ["sms"]}, {"channels[0]"}), ({"action_url": "javascript:alert(1)"}, {"action_url"}),
        ({"data": {"n": 2**64}}, {"data"}), ({"ttl_s": 0}, {"ttl_s"}), ({"idempotency_key": ""}, {"idempotency_key"}),
        ({"title": 5, "colour": "red", "to": []}, {"title", "colour", "to"}),
        ({"title": "a\nb", "to": ["", "b"], "action_url": "x"}, {"title", "to[0]", "action_url"}),
    ],
)  # fmt: skip
async def test_a_flawed_send_names_every_flaw(service: Service, fields: dict[str, Any], paths: set[str]) -> None:
    """422 with a path for each error; all the rules are in tests/unit/core/test_sending.py, this is their edge."""
    assert set(await refused(service, 422, "invalid", body={**GOOD, **fields})) == paths


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"{", b"hello", b'{"to": "anna", "title": "x"}}', b'{"to": "anna", "title": NaN}', b"\xff\xfe",
        b'{"to": "anna", "title": "\\ud800"}', b'{"to": "anna", "title": "\xed\xa0\x80"}', b"[" * 200_000,
        b'{"to": "anna", "title": "x", "data": ' + b'{"a":' * 40_000 + b"1" + b"}" * 40_001,
        b'\xef\xbb\xbf{"to": "anna", "title": "x"}', b'{"to": "anna", "title": "x", "ttl_s": ' + b"9" * 5_000 + b"}",
        b'{"to": "anna", "title": "x", "data": {"n": ' + b"9" * 5_000 + b"}}",
        b'{"to": "anna", "title": "x", "data": {"n": -Infinity}}',
        b'{"to": "anna", "title": "x", "data": {"\\ud800": 1}}',
        b'{"to": "anna", "title": "x", "to": "bert"}', b'{"to": "anna", "title": "x", "\\u0074o": "bert"}',
        b'{"to": "anna", "title": "x", "data": {"a": [{"b": 1, "b": 2}]}}',
    ],
)  # fmt: skip
async def test_what_is_not_json_is_a_400(service: Service, raw: bytes) -> None:
    """Also NaN, lone surrogates, a byte order mark, integers of 5,000 digits, nesting without an end, and a name that
    stands twice, which readers take differently; the next request is answered as ever."""
    assert await refused(service, 400, "invalid_json", raw=raw) == {}
    assert await service.send()


@pytest.mark.parametrize(
    ("method", "path", "raw"),
    [
        ("PUT", "/v1/users/anna", b'{"email": "a@b.example", "email": "c@d.example"}'),
        ("PUT", "/v1/users/anna/preferences", b'{"channels": {"email": true, "email": false}}'),
    ],
)
async def test_a_name_twice_is_a_400_everywhere(service: Service, method: str, path: str, raw: bytes) -> None:
    """Not only in a send."""
    before = service.kept
    (await service.call(method, path, raw=raw)).problem(400, "invalid_json")
    assert service.kept == before


@pytest.mark.parametrize(
    ("fields", "paths"),
    [
        ({"to": {"$ne": None}}, {"to.$ne"}), ({"$where": "1"}, {"$where"}), ({"a.b": 1}, {"a.b"}),
        ({"to": {"id": {"$gt": ""}}}, {"to.id"}), ({"tenant_id": "other"}, {"tenant_id"}),
        ({"status": "sent", "attempts": 0, "_id": "x"}, {"status", "attempts", "_id"}),
    ],
)  # fmt: skip
async def test_no_operator_and_no_inner_field_gets_in(
    service: Service, fields: dict[str, Any], paths: set[str]
) -> None:
    """What a document database would take for a query, and what only we may write, are unknown fields."""
    assert set(await refused(service, 422, "invalid", body={**GOOD, **fields})) == paths


@pytest.mark.parametrize("raw", [b"[]", b"null", b'"to"', b"5", b'[{"to": "anna", "title": "x"}]'])
async def test_json_of_another_shape_is_a_422(service: Service, raw: bytes) -> None:
    """It is JSON, and no send."""
    await refused(service, 422, "invalid", raw=raw)


@pytest.mark.parametrize("path", SENDS)
@pytest.mark.parametrize("key", ["", "hg_sk_unknown", "x"])
async def test_without_a_key_nothing_is_even_read(service: Service, path: str, key: str) -> None:
    """A wrong key comes before a flawed body, and is told how to do better."""
    await refused(service, 401, "unauthorized", path=path, key=key, body={"no": "send"})
    answer = await service.call("POST", path, GOOD, key=key)
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer ", "Basic abc", "Token abc", "bearer\tx", "Bearer " + "x" * 5_000]
)
async def test_only_a_bearer_credential_is_one(service: Service, header: str) -> None:
    """Any other Authorization header is none."""
    await refused(service, 401, "unauthorized", key="", headers={"authorization": header}, body=GOOD)


async def test_a_user_token_is_no_server_key_and_a_key_no_token(service: Service) -> None:
    """A person can't send, a client service has no inbox."""
    await refused(service, 401, "unauthorized", key=service.token(), body=GOOD)
    for method, path in [("GET", "/v1/inbox"), ("GET", "/v1/inbox/unread"), ("POST", "/v1/inbox/read-all")]:
        (await service.call(method, path)).problem(401, "unauthorized")


async def test_a_body_over_256_kib_is_a_413(service: Service) -> None:
    """Announced or streamed without a length; the last byte that fits is read."""
    headers = {"authorization": f"Bearer {service.key}"}
    padding = b" " * (MAX_BODY - len(json.dumps(GOOD)))
    await refused(service, 413, "too_large", raw=json.dumps(GOOD).encode() + padding + b" ")
    streamed = await call(service.app, "POST", "/v1/send", [b" " * 65_536] * 5, headers)
    streamed.problem(413, "too_large")
    announced = await call(service.app, "POST", "/v1/send", [b"{}"], {**headers, "content-length": str(MAX_BODY + 1)})
    announced.problem(413, "too_large")
    fits = await service.call("POST", "/v1/send", raw=json.dumps(GOOD).encode() + padding)
    assert fits.status == 202
    await service.sending.drained()


async def test_a_body_in_pieces_is_one_body(service: Service) -> None:
    """Wherever it is cut."""
    raw = json.dumps({**GOOD, "body": "é€😀"}, ensure_ascii=False).encode()
    pieces = [raw[n : n + 3] for n in range(0, len(raw), 3)]
    answer = await call(service.app, "POST", "/v1/send", pieces, {"authorization": f"Bearer {service.key}"})
    assert answer.status == 202
    await service.sending.drained()
    assert (await service.history(answer.json["id"])).notification.body == "é€😀"


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "gzip, identity", "x"])
async def test_a_compressed_body_is_a_415(service: Service, encoding: str) -> None:
    """Nobody may make us unpack a bomb."""
    raw = gzip.compress(json.dumps(GOOD).encode())
    await refused(service, 415, "unsupported_media_type", raw=raw, headers={"content-encoding": encoding})


@pytest.mark.parametrize("key", ["", "x" * 256, "a\tb", "=?utf-8?q?x?="])
async def test_a_flawed_idempotency_key_is_named(service: Service, key: str) -> None:
    """1 to 255 printable characters, in the header too."""
    found = await refused(service, 422, "invalid", body=GOOD, headers={"idempotency-key": key})
    assert set(found) == {"Idempotency-Key"}


@pytest.mark.parametrize(
    ("method", "path", "body", "paths"),
    [
        ("PUT", "/v1/users/anna", {"phone": "1"}, {"phone"}), ("PUT", "/v1/users/anna", {"email": "x"}, {"email"}),
        ("PUT", "/v1/users/anna", {"email": 5, "name": 5}, {"email", "name"}),
        ("PUT", "/v1/users/anna", {"name": "a\r\nb"}, {"name"}), ("PUT",
        "/v1/users/anna", {"locale": "x" * 36}, {"locale"}),
        ("PUT", "/v1/users/anna", {"data": {"n": 2**64}}, {"data"}), ("PUT", "/v1/users/anna", [], {""}),
        ("PUT", "/v1/users/an na", {"name": "A"}, {"id"}), ("PUT", "/v1/users/" + "x" * 129, {"name": "A"}, {"id"}),
        ("POST", "/v1/users/anna/token", {"ttl_s": 0}, {"ttl_s"}), ("POST",
        "/v1/users/anna/token", {"ttl": 1}, {"ttl"}),
        ("POST", "/v1/users/anna/token", {"ttl_s": 30 * 86_400 + 1}, {"ttl_s"}), ("POST",
        "/v1/users/a b/token", {}, {"id"}),
        ("POST", "/v1/users/anna/devices", {}, {"kind", "value"}),
        ("POST", "/v1/users/anna/devices", {"kind": "pager", "value": "x"}, {"kind"}),
        ("POST", "/v1/users/anna/devices", {"kind": "fcm_token", "value": ""}, {"value"}),
        ("POST", "/v1/users/anna/devices", {"kind": "fcm_token", "value": "a\nb"}, {"value"}),
        ("POST", "/v1/users/anna/devices", {"kind": "fcm_token", "value": "x" * 4_097}, {"value"}),
        ("POST", "/v1/users/anna/devices", {"kind": "fcm_token", "value": {"endpoint": "x"}}, {"value"}),
        ("POST", "/v1/users/anna/devices", {"kind": "webpush", "value": "x"}, {"value"}),
        ("POST", "/v1/users/anna/devices", {"kind": "webpush", "value": {"n": 2**64}}, {"value"}),
        ("POST", "/v1/users/anna/devices", {"kind": "webpush", "value": {"keys": 5}}, {"value.endpoint",
        "value.keys.p256dh", "value.keys.auth"}),
        ("POST", "/v1/users/anna/devices", {"kind": "fcm_token", "value": "x", "user": "bert"}, {"user"}),
        ("POST", "/v1/dlq/replay", {}, {"cause"}), ("POST", "/v1/dlq/replay", {"cause": "x", "ids": ["y"]}, {"cause"}),
        ("POST", "/v1/dlq/replay", {"ids": []}, {"ids"}), ("POST", "/v1/dlq/replay", {"ids": [5]}, {"ids[0]"}),
        ("POST", "/v1/dlq/replay", {"cause": ""}, {"cause"}), ("POST", "/v1/dlq/replay", {"cause": "x",
        "rate": 1}, {"rate"}),
        ("POST", "/v1/dlq/replay", {"cause": "x", "rate_per_s": 0}, {"rate_per_s"}),
        ("POST", "/v1/dlq/replay", {"cause": "x", "rate_per_s": 1e-300}, {"rate_per_s"}),
        ("POST", "/v1/dlq/replay", {"cause": "x", "rate_per_s": -1}, {"rate_per_s"}),
    ],
)  # fmt: skip
async def test_every_body_is_checked_like_that(
    service: Service, method: str, path: str, body: Any, paths: set[str]
) -> None:
    """Users, tokens, devices, replays: unknown fields, wrong types and values out of range, each with its path."""
    before = service.kept
    assert set((await service.call(method, path, body)).problem(422, "invalid")) == paths
    assert service.kept == before


@pytest.mark.parametrize(
    ("path", "paths"),
    [
        ("/v1/inbox?limit=0", {"limit"}), ("/v1/inbox?limit=101", {"limit"}), ("/v1/inbox?limit=ten", {"limit"}),
        ("/v1/inbox?limit=-1", {"limit"}), ("/v1/inbox?limit=%D9%A1", {"limit"}),
        ("/v1/inbox?limit=1&limit=2", {"limit"}),
        ("/v1/inbox?unread=yes", {"unread"}), ("/v1/inbox?archived=1", {"archived"}),
        ("/v1/inbox?cursor=5", {"cursor"}), ("/v1/inbox?unread[$ne]=true", {"unread[$ne]"}),
        ("/v1/inbox?cursor=ntf_" + "x" * 100, {"cursor"}), ("/v1/inbox?page=2", {"page"}),
        ("/v1/inbox?unread=x&limit=x&archived=x&cursor=x", {"unread", "limit", "archived", "cursor"}),
    ],
)  # fmt: skip
async def test_every_query_is_checked_like_that(service: Service, path: str, paths: set[str]) -> None:
    """Unknown, doubled and odd parameters are refused by name."""
    answer = await service.call("GET", path, key=service.token())
    assert set(answer.problem(422, "invalid")) == paths


async def test_a_query_of_the_dead_letters_is_checked_too(service: Service) -> None:
    """An unknown channel or parameter."""
    assert set((await service.call("GET", "/v1/dlq?channel=fax")).problem(422, "invalid")) == {"channel"}
    assert set((await service.call("GET", "/v1/dlq?cause=x")).problem(422, "invalid")) == {"cause"}


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/", 404, "not_found"), ("GET", "/v1/nothing", 404, "not_found"), ("GET",
        "/v1/send/", 405, "method_not_allowed"),
        ("GET", "/v1/send", 405, "method_not_allowed"), ("DELETE", "/v1/inbox", 405, "method_not_allowed"),
        ("PATCH", "/v1/users/anna", 405, "method_not_allowed"), ("POST", "/v1/inbox/ntf_1/forget", 404, "not_found"),
        ("GET", "/v1/notifications/ntf_x", 404, "not_found"), ("GET", "/v1/notifications/..%2F", 404, "not_found"),
        ("GET", "/v1/notifications/ntf_" + "0" * 26 + "-" + "9" * 5_000, 404, "not_found"),
        ("GET", "/v1/users/%00", 404, "not_found"), ("GET", "/v1/users/%FF", 404, "not_found"), ("GET",
        "/v1/batches/x", 404, "not_found"),
    ],
)  # fmt: skip
async def test_routes_and_objects_that_are_not_there(
    service: Service, method: str, path: str, status: int, code: str
) -> None:
    """Problems too, whatever stands in the path."""
    key = service.token() if "inbox" in path else None
    (await service.call(method, path, key=key)).problem(status, code)


async def test_a_wrong_method_is_told_the_right_ones(service: Service) -> None:
    """RFC 9110 section 15.5.6."""
    answer = await service.call("PATCH", "/v1/users/anna")
    assert {"GET", "PUT", "DELETE"} <= set(answer.headers["allow"].split(", "))


async def test_a_bug_tells_nothing_of_itself(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """500, without a word of what went wrong; the process goes on."""

    def broken(*_: Any) -> Any:
        raise KeyError("a secret detail")

    monkeypatch.setattr("heliograph.core.sending.submission", broken)
    answer = await service.call("POST", "/v1/send", GOOD)
    answer.problem(500, "internal")
    assert b"secret" not in answer.body
    assert b"KeyError" not in answer.body
    monkeypatch.undo()
    assert await service.send()
