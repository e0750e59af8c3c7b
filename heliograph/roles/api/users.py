"""Users, their tokens and their devices (CONTRACT section 3)."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from typing import Annotated, Any, Final

import msgspec
from litestar import Response, delete, get, post, put
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler
from msgspec import Meta

from heliograph.core import wire
from heliograph.core.errors import Flaw, Problem
from heliograph.core.flaws import data_flaw
from heliograph.core.ids import new_device_id
from heliograph.core.model import Device, DeviceKind, Key, User
from heliograph.core.names import user_id_is_valid
from heliograph.core.ports import Bus, Clock, PresenceCache, Store
from heliograph.core.sending import USER_ID_RULE, ShortText, person_flaws
from heliograph.core.subscriptions import subscription_flaws
from heliograph.fanout import tell_erased
from heliograph.web import MANAGE, READ, AnyRequest, Callers, json, no_content, raw_body, read_body

MAX_TOKEN_TTL_S: Final = 30 * 86_400
MAX_DEVICE_VALUE: Final = 4_096


class UserInput(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Replaces what is known of a user."""

    email: str | None = None
    name: ShortText | None = None
    locale: Annotated[str, Meta(max_length=35)] | None = None
    timezone: Annotated[str, Meta(max_length=64)] | None = None
    data: dict[str, Any] | None = None


class TokenInput(msgspec.Struct, forbid_unknown_fields=True):
    ttl_s: Annotated[int, Meta(ge=1, le=MAX_TOKEN_TTL_S)] = 3_600


class DeviceInput(msgspec.Struct, forbid_unknown_fields=True):
    """`value` is the token, or for `webpush` the browser's subscription object."""

    kind: DeviceKind
    value: str | dict[str, Any]


def user_key(tenant: str, user_id: str) -> Key:
    if not user_id_is_valid(user_id):
        raise Problem("invalid", flaws=(Flaw("id", USER_ID_RULE),))
    return Key(tenant, user_id)


def _device_value(wanted: DeviceInput, allowed_hosts: AbstractSet[str]) -> str:
    """The text that is kept; raises `Problem("invalid")` for a value that can't be one."""
    if isinstance(wanted.value, dict) != (wanted.kind == "webpush"):
        shape = "the subscription object" if wanted.kind == "webpush" else "the token, a string"
        raise Problem("invalid", flaws=(Flaw("value", f"for {wanted.kind} this is {shape}"),))
    if isinstance(wanted.value, dict) and (flaw := data_flaw(wanted.value)):
        raise Problem("invalid", flaws=(Flaw("value", flaw),))
    if isinstance(wanted.value, dict) and (flaws := tuple(subscription_flaws(wanted.value, allowed_hosts))):
        raise Problem("invalid", flaws=flaws)
    value = wanted.value if isinstance(wanted.value, str) else wire.encode(wanted.value).decode()
    if not 0 < len(value) <= MAX_DEVICE_VALUE or not value.isprintable():
        raise Problem("invalid", flaws=(Flaw("value", f"has 1 to {MAX_DEVICE_VALUE} printable characters"),))
    return value


def routes(
    store: Store, presence: PresenceCache, bus: Bus, callers: Callers, clock: Clock,
    allowed_hosts: AbstractSet[str] = frozenset(),
) -> list[ControllerRouterHandler]:  # fmt: skip
    """`allowed_hosts`: `host:port` that Web Push endpoints may name although they aren't public: a provider lab."""
    return [*_user_routes(store, presence, bus, callers, clock), *_device_routes(store, callers, clock, allowed_hosts)]


def _user_routes(
    store: Store, presence: PresenceCache, bus: Bus, callers: Callers, clock: Clock
) -> list[ControllerRouterHandler]:
    @put("/v1/users/{user_id:str}", opt={**MANAGE, "body": UserInput}, summary="Create or replace a user")
    async def put_user(request: AnyRequest, user_id: FromPath[str]) -> Response[bytes]:
        key = user_key(await callers.tenant(request), user_id)
        wanted = await read_body(request, UserInput)
        flaws = tuple(person_flaws(wanted.email, wanted.name, wanted.data))
        if flaws:
            raise Problem("invalid", flaws=flaws)
        user = User(tenant=key.tenant, id=key.id, updated_at=clock(), **msgspec.structs.asdict(wanted))
        return json(wire.user(await store.put_user(user)))

    @get("/v1/users/{user_id:str}", opt=READ, summary="A user and their devices")
    async def get_user(request: AnyRequest, user_id: FromPath[str]) -> Response[bytes]:
        key = Key(await callers.tenant(request), user_id)
        recipient = (await store.recipients([key]))[0]
        if recipient.user is None:
            raise Problem("not_found")
        return json({**wire.user(recipient.user), "devices": [wire.device(d) for d in recipient.devices]})

    @delete("/v1/users/{user_id:str}", opt=MANAGE, summary="Erase a user everywhere")
    async def delete_user(request: AnyRequest, user_id: FromPath[str]) -> Response[None]:
        key = Key(await callers.tenant(request), user_id)
        nodes = (await presence.look([key], clock()))[0].nodes
        await presence.forget(key)  # first: if the cache is away, nothing is done and the call can be repeated
        known = await store.erase_user(key)
        await tell_erased(bus, key, nodes)
        if not known:
            raise Problem("not_found")
        return no_content()

    @post(
        "/v1/users/{user_id:str}/token",
        status_code=200,
        opt={**MANAGE, "body": TokenInput},
        summary="Mint a user token",
    )
    async def mint_token(request: AnyRequest, user_id: FromPath[str]) -> Response[bytes]:
        key = user_key(await callers.tenant(request), user_id)
        wanted = await read_body(request, TokenInput) if await raw_body(request) else TokenInput()
        token, expires_at = callers.tokens.mint(key, wanted.ttl_s)
        return json({"token": token, "expires_at": wire.rfc3339(expires_at)})

    return [put_user, get_user, delete_user, mint_token]


def _device_routes(
    store: Store, callers: Callers, clock: Clock, allowed_hosts: AbstractSet[str]
) -> list[ControllerRouterHandler]:
    async def register(request: AnyRequest, user: Key) -> Response[bytes]:
        wanted = await read_body(request, DeviceInput)
        now = clock()
        value = _device_value(wanted, allowed_hosts)
        device = Device(new_device_id(now), user.tenant, user.id, wanted.kind, value, now)
        return json(wire.device(await store.add_device(device)), 201)

    async def unregister(user: Key, device_id: str) -> Response[None]:
        if not (await store.remove_devices([(user, device_id)]))[0]:
            raise Problem("not_found")
        return no_content()

    @post("/v1/users/{user_id:str}/devices", opt={**MANAGE, "body": DeviceInput}, summary="Register a device")
    async def add_for(request: AnyRequest, user_id: FromPath[str]) -> Response[bytes]:
        return await register(request, user_key(await callers.tenant(request), user_id))

    @post("/v1/devices", opt={"auth": "user", "body": DeviceInput}, summary="Register this device")
    async def add_own(request: AnyRequest) -> Response[bytes]:
        return await register(request, await callers.user(request))

    @get("/v1/users/{user_id:str}/devices", opt=READ, summary="A user's devices")
    async def list_for(request: AnyRequest, user_id: FromPath[str]) -> Response[bytes]:
        key = Key(await callers.tenant(request), user_id)
        return json({"devices": [wire.device(device) for device in await store.devices(key)]})

    @delete("/v1/users/{user_id:str}/devices/{device_id:str}", opt=MANAGE, summary="Remove a device")
    async def remove_for(request: AnyRequest, user_id: FromPath[str], device_id: FromPath[str]) -> Response[None]:
        return await unregister(Key(await callers.tenant(request), user_id), device_id)

    @delete("/v1/devices/{device_id:str}", opt={"auth": "user"}, summary="Remove this device")
    async def remove_own(request: AnyRequest, device_id: FromPath[str]) -> Response[None]:
        return await unregister(await callers.user(request), device_id)

    return [add_for, add_own, list_for, remove_for, remove_own]
