"""What an operator does from the shell, straight on the store: keys and dead letters. The system may run or not."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from heliograph import access
from heliograph.cli.backends import now, store_of
from heliograph.core.keys import ApiKey
from heliograph.core.ports import Store
from heliograph.core.wire import rfc3339
from heliograph.roles.api.operations import replay
from heliograph.settings import Settings, load

_DAY_MS: Final = 86_400_000


@asynccontextmanager
async def _store(data: Path, config: Path | None) -> AsyncIterator[Store]:
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
    async with _store(data, config) as store:
        secret = await access.create_key(
            store, tenant, made_at, name, scopes, expires_at=expires_at, rate=rate, daily=daily
        )
    console.print(secret, highlight=False, soft_wrap=True)


async def rotate_key(tenant: str, name: str, keep_h: float, data: Path, config: Path | None, console: Console) -> None:
    async with _store(data, config) as store:
        secret = await access.rotate_key(store, tenant, name, now(), round(keep_h * 3_600_000))
    console.print(secret, highlight=False, soft_wrap=True)


async def revoke_keys(tenant: str, name: str, data: Path, config: Path | None, console: Console) -> None:
    async with _store(data, config) as store:
        count = await access.revoke_keys(store, tenant, name, now())
    console.print(f"{count} revoked; every node refuses {'it' if count == 1 else 'them'} within 5 seconds.")


async def list_keys(tenant: str, data: Path, config: Path | None, console: Console) -> None:
    async with _store(data, config) as store:
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


async def list_dead(tenant: str, channel: str | None, data: Path, config: Path | None, console: Console) -> None:
    async with _store(data, config) as store:
        groups = await store.dead_groups(tenant, channel)
    table = Table()
    for title in ("cause", "count", "oldest", "example"):
        table.add_column(title, overflow="fold")  # a cut cause or id could not be given to `replay`
    for group in groups:
        table.add_row(group.cause, str(group.count), rfc3339(group.oldest_at), group.example.id)
    console.print(table if groups else "No dead letters.")


async def replay_dead(
    tenant: str, cause: str | None, ids: list[str] | None, rate_per_s: float | None,
    data: Path, config: Path | None, console: Console,
) -> None:  # fmt: skip
    if (cause is None) == (not ids):
        raise ValueError("give either --cause or --id")
    async with _store(data, config) as store:
        letters = await store.dead_letters(tenant, cause=cause, ids=ids)
        count = await replay(store, list(letters), rate_per_s, now())
    console.print(f"{count} to be delivered again.")


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
