"""SQLite store: server keys, settings of the installation, and leases (who is the reconciler now)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import apsw
import msgspec

from heliograph.backends.sqlite.connection import DatabaseFile
from heliograph.backends.sqlite.statements import json_text, listed
from heliograph.core.keys import SCOPES, ApiKey
from heliograph.core.model import Millis

_COLUMNS: Final = "digest, tenant, prefix, created_at, name, scopes, expires_at, used_at, rate, daily"
ADD_KEY: Final = f"INSERT OR REPLACE INTO keys ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
KEY: Final = f"SELECT {_COLUMNS} FROM keys WHERE digest = ?"
KEYS: Final = f"SELECT {_COLUMNS} FROM keys WHERE tenant = ? ORDER BY created_at, digest"
END_KEY: Final = "UPDATE keys SET expires_at = min(coalesce(expires_at, :at), :at) WHERE digest = :digest"
TOUCH_KEY: Final = "UPDATE keys SET used_at = ? WHERE digest = ?"
KEEP: Final = "INSERT INTO settings (name, value) VALUES (?, ?) ON CONFLICT DO NOTHING"
KEPT: Final = "SELECT value FROM settings WHERE name = ?"
KEPT_ALL: Final = f"""
    SELECT {listed("json_quote(s.value)")} FROM json_each(?) AS k LEFT JOIN settings AS s ON s.name = k.value
"""
FORGET: Final = "DELETE FROM settings WHERE name = ?"
REPLACE: Final = "INSERT OR REPLACE INTO settings (name, value) VALUES (?, ?)"
LEASE: Final = """
    INSERT INTO leases (name, holder, until) VALUES (:name, :holder, :until)
    ON CONFLICT DO UPDATE SET holder = excluded.holder, until = excluded.until
    WHERE holder = excluded.holder OR until <= :now
"""
PING: Final = "ping"

_values: Final = msgspec.json.Decoder(list[str | None])


class Access:
    """See `core.ports.AccessStore`."""

    _file: DatabaseFile

    async def add_key(self, key: ApiKey) -> None:
        row = (
            key.digest, key.tenant, key.prefix, key.created_at, key.name, ",".join(key.scopes), key.expires_at,
            key.used_at, key.rate, key.daily,
        )  # fmt: skip
        await self._file.execute(ADD_KEY, row)

    async def api_key(self, digest: str) -> ApiKey | None:
        row = await self._file.read(lambda connection: connection.execute(KEY, (digest,)).fetchone())
        return _key(row) if row else None

    async def api_keys(self, tenant: str) -> Sequence[ApiKey]:
        rows = await self._file.read(lambda connection: connection.execute(KEYS, (tenant,)).fetchall())
        return [_key(row) for row in rows]

    async def end_key(self, digest: str, at: Millis) -> None:
        await self._file.execute(END_KEY, {"digest": digest, "at": at})

    async def touch_key(self, digest: str, at: Millis) -> None:
        await self._file.execute(TOUCH_KEY, (at, digest))

    async def keep(self, name: str, value: str) -> str:
        def work(connection: apsw.Connection) -> str:
            connection.execute(KEEP, (name, value))
            return str(connection.execute(KEPT, (name,)).get)

        return await self._file.write(work)

    async def replace(self, name: str, value: str) -> None:
        await self._file.execute(REPLACE, (name, value))

    async def settings(self, names: Sequence[str]) -> Sequence[str | None]:
        return await self._file.fetch(KEPT_ALL, (json_text(names),), _values)

    async def forget(self, name: str) -> bool:
        return await self._file.execute(FORGET, (name,)) > 0

    async def lease(self, name: str, holder: str, now: Millis, until: Millis) -> bool:
        bindings = {"name": name, "holder": holder, "now": now, "until": until}
        return await self._file.execute(LEASE, bindings) > 0

    async def ping(self) -> None:
        """A real write, so that a full disk is noticed too."""
        await self._file.execute(REPLACE, (PING, ""))


def _key(row: Sequence[Any]) -> ApiKey:
    fields = dict(zip(_COLUMNS.split(", "), row, strict=True))
    fields["scopes"] = tuple(scope for scope in SCOPES if scope in fields["scopes"].split(","))
    return ApiKey(**fields)
