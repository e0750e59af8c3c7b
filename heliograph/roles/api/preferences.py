"""What a user wants to hear where (CONTRACT section 3): kept and shown; `core.preferences` says what it means."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Annotated, Any, Final

import msgspec
from litestar import Response, get, put
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler
from msgspec import Meta

from heliograph.core import wire
from heliograph.core.errors import Flaw, Problem
from heliograph.core.headers import header_flaw
from heliograph.core.model import CHANNELS, Channel, Key, Preferences
from heliograph.core.ports import Clock, Store
from heliograph.core.sending import MAX_CATEGORY
from heliograph.core.strict_json import parse_json
from heliograph.roles.api.users import user_key
from heliograph.web import MANAGE, READ, AnyRequest, Callers, json, raw_body

MAX_CATEGORIES: Final = 100
"""They are read with every recipient of a batch, so they stay small."""
_MOST_FLAWS: Final = 100

Category = Annotated[str, Meta(min_length=1, max_length=MAX_CATEGORY)]
Choices = dict[Channel, bool]


class PreferencesInput(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Replaces a user's preferences. What is left out is not muted."""

    channels: Choices = {}
    categories: Annotated[dict[Category, Choices], Meta(max_length=MAX_CATEGORIES)] = {}


def read(body: bytes) -> Preferences:
    """Raises `Problem`: `invalid_json` (400), or `invalid` (422) with every flaw."""
    value = parse_json(body)
    flaws = tuple(islice(_flaws(value), _MOST_FLAWS))
    if flaws:
        raise Problem("invalid", flaws=flaws)
    wanted = msgspec.convert(value, PreferencesInput)
    return Preferences(wanted.channels, wanted.categories)


def _flaws(value: Any) -> Iterator[Flaw]:
    if not isinstance(value, dict):
        yield Flaw("", "expected an object")
        return
    yield from (Flaw(name, "unknown field") for name in value if name not in PreferencesInput.__struct_fields__)
    yield from _choices_flaws("channels", value.get("channels", {}))
    categories = value.get("categories", {})
    if not isinstance(categories, dict):
        yield Flaw("categories", "expected an object")
        return
    if len(categories) > MAX_CATEGORIES:
        yield Flaw("categories", f"has more than {MAX_CATEGORIES} categories")
    for name, choices in islice(categories.items(), MAX_CATEGORIES):
        # A category has dots in it: quoted, as JSON would, the path can't be mistaken.
        path = f"categories[{wire.encode(name[:MAX_CATEGORY]).decode()}]"
        if flaw := _category_flaw(name):
            yield Flaw(path, flaw)
        yield from _choices_flaws(path, choices)


def _category_flaw(name: str) -> str | None:
    """Why no send could have this category, so that the rule would never apply."""
    if not 0 < len(name) <= MAX_CATEGORY:
        return f"a category has 1 to {MAX_CATEGORY} characters"
    return header_flaw(name)


def _choices_flaws(path: str, value: Any) -> Iterator[Flaw]:
    if not isinstance(value, dict):
        yield Flaw(path, "expected an object")
        return
    for channel, wanted in value.items():
        if channel not in CHANNELS:
            yield Flaw(f"{path}.{channel}", f"is no channel: there are {', '.join(CHANNELS)}")
        elif not isinstance(wanted, bool):
            yield Flaw(f"{path}.{channel}", "expected true or false")


def routes(store: Store, callers: Callers, clock: Clock) -> list[ControllerRouterHandler]:
    async def show(user: Key) -> Response[bytes]:
        return json(wire.preferences((await store.preferences([user]))[0]))

    async def replace(request: AnyRequest, user: Key) -> Response[bytes]:
        wanted = read(await raw_body(request))
        await store.put_preferences(user, wanted, clock())
        return json(wire.preferences(wanted))

    @get("/v1/users/{user_id:str}/preferences", opt=READ, summary="A user's preferences")
    async def show_for(request: AnyRequest, user_id: FromPath[str]) -> Response[bytes]:
        return await show(user_key(await callers.tenant(request), user_id))

    @put(
        "/v1/users/{user_id:str}/preferences",
        opt={**MANAGE, "body": PreferencesInput},
        summary="Replace a user's preferences",
    )
    async def replace_for(request: AnyRequest, user_id: FromPath[str]) -> Response[bytes]:
        return await replace(request, user_key(await callers.tenant(request), user_id))

    @get("/v1/preferences", opt={"auth": "user"}, summary="My preferences")
    async def show_own(request: AnyRequest) -> Response[bytes]:
        return await show(await callers.user(request))

    @put("/v1/preferences", opt={"auth": "user", "body": PreferencesInput}, summary="Replace my preferences")
    async def replace_own(request: AnyRequest) -> Response[bytes]:
        return await replace(request, await callers.user(request))

    return [show_for, replace_for, show_own, replace_own]
