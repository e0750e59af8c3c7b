"""What an operator does from the shell, straight on the store: keys, dead letters, pauses, whether or not it runs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from heliograph import access, letters, pausing
from heliograph.cli.backends import now, store_of
from heliograph.core.keys import ApiKey
from heliograph.core.mending import Mend
from heliograph.core.pausing import PAUSABLE
from heliograph.core.ports import DeadLetter, Store
from heliograph.core.wire import rfc3339
from heliograph.settings import Settings, load

_DAY_MS: Final = 86_400_000


class Place(msgspec.Struct, frozen=True):
    """Where the store is, and whose letters are meant."""

    data: Path
    config: Path | None = None
    tenant: str = "default"


@asynccontextmanager
async def opened(data: Path, config: Path | None) -> AsyncIterator[Store]:
    store = store_of(load(config).store_url.get_secret_value(), data)
    await store.open()
    try:
        yield store
    finally:
        await store.close_store()


async def create_key(
    tenant: str, name: str, scopes: Sequence[str], data: Path, config: Path | None, console: Console, *,
    days: float | None, rate: float | None, daily: int | None,
) -> None:  # fmt: skip
    made_at = now()
    expires_at = None if days is None else made_at + round(days * _DAY_MS)
    async with opened(data, config) as store:
        secret = await access.create_key(
            store, tenant, made_at, name, scopes, expires_at=expires_at, rate=rate, daily=daily
        )
    console.print(secret, highlight=False, soft_wrap=True)


async def rotate_key(tenant: str, name: str, keep_h: float, data: Path, config: Path | None, console: Console) -> None:
    async with opened(data, config) as store:
        secret = await access.rotate_key(store, tenant, name, now(), round(keep_h * 3_600_000))
    console.print(secret, highlight=False, soft_wrap=True)


async def revoke_keys(tenant: str, name: str, data: Path, config: Path | None, console: Console) -> None:
    async with opened(data, config) as store:
        count = await access.revoke_keys(store, tenant, name, now())
    console.print(f"{count} revoked; every node refuses {'it' if count == 1 else 'them'} within 5 seconds.")


async def list_keys(tenant: str, data: Path, config: Path | None, console: Console) -> None:
    async with opened(data, config) as store:
        keys = await store.api_keys(tenant)
    table = Table()
    for title in ("key", "name", "scopes", "created", "last used", "ends"):
        table.add_column(title, overflow="fold")
    for key in keys:
        table.add_row(
            f"{key.prefix}…", key.name, " ".join(key.scopes), rfc3339(key.created_at),
            rfc3339(key.used_at) if key.used_at else "never", _ending(key),
        )  # fmt: skip
    console.print(table if keys else f"Tenant {tenant} has no keys.")


def _ending(key: ApiKey) -> str:
    if key.expires_at is None:
        return "never"
    return rfc3339(key.expires_at) if key.lives(now()) else f"ended {rfc3339(key.expires_at)}"


# --- dead letters -----------------------------------------------------------------------------------------------------


async def list_dead(place: Place, channel: str | None, console: Console) -> None:
    async with opened(place.data, place.config) as store:
        groups = await store.dead_groups(place.tenant, channel)
    table = Table()
    for title in ("cause", "count", "oldest", "example"):
        table.add_column(title, overflow="fold")  # a cut cause or id could not be given to `replay`
    for group in groups:
        table.add_row(Text(group.cause), str(group.count), rfc3339(group.oldest_at), Text(group.example.id))
    console.print(table if groups else "No dead letters.")


async def show_dead(place: Place, letter_id: str, console: Console) -> None:
    async with opened(place.data, place.config) as store:
        found = await letters.whole(store, await letters.one(store, place.tenant, letter_id))
    console.print_json(data=found)


async def edit_dead(place: Place, letter_id: str, changes: dict[str, Any], dry: bool, console: Console) -> None:
    mend = msgspec.convert(changes, Mend)
    async with opened(place.data, place.config) as store:
        letter = await letters.one(store, place.tenant, letter_id)
        edited = await letters.edit(store, letter, mend, now(), dry=dry)
    done = "would be changed, and it would be delivered again" if dry else "changed; it will be delivered again"
    console.print(f"{letter_id}: {', '.join(edited)} {done}.", highlight=False, soft_wrap=True)


async def replay_dead(
    place: Place, cause: str | None, ids: Sequence[str] | None, rate_per_s: float | None, dry: bool, console: Console
) -> None:
    async with opened(place.data, place.config) as store:
        chosen = await _chosen(store, place, cause, ids)
        if dry:
            _tell_plan(await letters.plan(store, chosen, rate_per_s), "delivered again", console)
            return
        count = await letters.replay(store, chosen, rate_per_s, now())
    console.print(f"{count} to be delivered again.")
    _tell_rest(chosen, console)


async def discard_dead(
    place: Place, cause: str | None, ids: Sequence[str] | None, reason: str, dry: bool, console: Console
) -> None:
    async with opened(place.data, place.config) as store:
        chosen = await _chosen(store, place, cause, ids)
        if dry:
            _tell_plan(await letters.plan(store, chosen), "given up", console)
            return
        count = await letters.discard(store, chosen, reason, now())
    console.print(f"{count} discarded: they stay failed, and their timelines say why.")
    _tell_rest(chosen, console)


async def _chosen(store: Store, place: Place, cause: str | None, ids: Sequence[str] | None) -> list[DeadLetter]:
    if (cause is None) == (not ids):
        raise ValueError("give either --cause or --id")
    return list(await store.dead_letters(place.tenant, cause=cause, ids=ids, limit=letters.MOST))


def _tell_plan(plan: dict[str, Any], what: str, console: Console) -> None:
    console.print(f"{plan['count']} would be {what}; nothing was changed.")
    for name in ("by_level", "by_channel"):
        console.print("  " + "  ".join(f"{key}: {count}" for key, count in plan[name].items()), highlight=False)
    if plan["erased"]:
        console.print(f"  {plan['erased']} of people who were erased meanwhile")
    if plan["takes_s"]:
        console.print(f"  over {plan['takes_s']:g} s, the most urgent first")
    for name in plan["first"]:
        console.print(f"  {name}", highlight=False, soft_wrap=True)


def _tell_rest(chosen: Sequence[DeadLetter], console: Console) -> None:
    if len(chosen) == letters.MOST:
        console.print(f"That were the {letters.MOST} most urgent; there may be more: repeat the command.")


# --- pauses -----------------------------------------------------------------------------------------------------------


async def pause(name: str, reason: str, place: Place, console: Console) -> None:
    async with opened(place.data, place.config) as store:
        await pausing.pause(store, _known(name), reason, now())
    console.print(
        f"{name} is paused: every process knows within {pausing.LOOKS_EVERY_S:g} s. `heliograph resume {name}`"
    )


async def resume(name: str, place: Place, console: Console) -> None:
    async with opened(place.data, place.config) as store:
        was_paused = await pausing.resume(store, _known(name))
    console.print(f"{name} goes on." if was_paused else f"{name} was not paused.")


async def list_pauses(place: Place, console: Console) -> None:
    async with opened(place.data, place.config) as store:
        found = await pausing.paused(store)
    for one in found.values():
        console.print(
            f"{one.name} since {rfc3339(one.at)}  {one.reason}", highlight=False, soft_wrap=True, markup=False
        )
    if not found:
        console.print("Nothing is paused.")


def _known(name: str) -> str:
    if name not in PAUSABLE:
        raise ValueError(f"there is no lane or provider {name!r}; there are {', '.join(PAUSABLE)}")
    return name


def warnings(settings: Settings) -> Iterator[str]:
    """Combinations that are allowed and risky."""
    secret = settings.user_token_secret.get_secret_value()
    if 0 < len(secret.encode()) < 32:
        yield "user_token_secret is shorter than 32 bytes, what RFC 7518 asks of HS256"
    if settings.unseen_after_s >= settings.presence_ttl_s * 4:
        yield "unseen_after_s is long: an online user who doesn't look gets the e-mail late"
    if not (settings.sendgrid_api_key.get_secret_value() or settings.smtp_url.get_secret_value()):
        yield "no e-mail provider is configured: offline users get nothing but the inbox"
    if settings.host not in ("127.0.0.1", "::1", "localhost") and not settings.public_url:
        yield "host is public but public_url is empty"
