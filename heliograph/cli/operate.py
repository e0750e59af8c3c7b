"""What an operator does from the shell, straight on the store: keys and dead letters. The system may run or not."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

from rich.console import Console
from rich.table import Table

from heliograph import access
from heliograph.cli.backends import now, store_of
from heliograph.core.ports import Store
from heliograph.core.wire import rfc3339
from heliograph.letters import replay
from heliograph.settings import Settings, load


@asynccontextmanager
async def _store(data: Path, config: Path | None) -> AsyncIterator[Store]:
    store = store_of(load(config).store_url.get_secret_value(), data)
    await store.open()
    try:
        yield store
    finally:
        await store.close_store()


async def create_key(tenant: str, data: Path, config: Path | None, console: Console) -> None:
    async with _store(data, config) as store:
        secret = await access.create_key(store, tenant, now())
    console.print(secret, highlight=False, soft_wrap=True)


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
