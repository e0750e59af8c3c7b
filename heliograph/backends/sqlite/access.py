"""SQLite store: server keys, settings of the installation, and leases (who is the reconciler now)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import apsw
import msgspec

from heliograph.backends.sqlite.connection import DatabaseFile
from heliograph.backends.sqlite.statements import json_text, listed
from heliograph.core.model import Millis
from heliograph.core.ports import ApiKey

ADD_KEY: Final = "INSERT OR REPLACE INTO keys (digest, tenant, prefix, created_at) VALUES (?, ?, ?, ?)"
KEY: Final = "SELECT digest, tenant, prefix, created_at FROM keys WHERE digest = ?"
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
        row = (key.digest, key.tenant, key.prefix, key.created_at)
        await self._file.execute(ADD_KEY, row)

    async def api_key(self, digest: str) -> ApiKey | None:
        row = await self._file.read(lambda connection: connection.execute(KEY, (digest,)).fetchone())
        return ApiKey(*row) if row else None

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
