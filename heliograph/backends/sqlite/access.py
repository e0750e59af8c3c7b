"""SQLite store: server keys, settings of the installation, and leases (who is the reconciler now)."""

from __future__ import annotations

from typing import Final

import apsw

from heliograph.backends.sqlite.connection import DatabaseFile
from heliograph.core.model import Millis
from heliograph.core.ports import ApiKey

ADD_KEY: Final = "INSERT OR REPLACE INTO keys (digest, tenant, prefix, created_at) VALUES (?, ?, ?, ?)"
KEY: Final = "SELECT digest, tenant, prefix, created_at FROM keys WHERE digest = ?"
KEEP: Final = "INSERT INTO settings (name, value) VALUES (?, ?) ON CONFLICT DO NOTHING"
KEPT: Final = "SELECT value FROM settings WHERE name = ?"
REPLACE: Final = "INSERT OR REPLACE INTO settings (name, value) VALUES (?, ?)"
LEASE: Final = """
    INSERT INTO leases (name, holder, until) VALUES (:name, :holder, :until)
    ON CONFLICT DO UPDATE SET holder = excluded.holder, until = excluded.until
    WHERE holder = excluded.holder OR until <= :now
"""
PING: Final = "ping"


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

    async def lease(self, name: str, holder: str, now: Millis, until: Millis) -> bool:
        bindings = {"name": name, "holder": holder, "now": now, "until": until}
        return await self._file.execute(LEASE, bindings) > 0

    async def ping(self) -> None:
        """A real write, so that a full disk is noticed too."""
        await self._file.execute(REPLACE, (PING, ""))
