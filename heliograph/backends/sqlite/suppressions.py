"""SQLite store: the suppression list, one row for each reason of an address; and whose users have an address."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from heliograph.backends.sqlite.connection import DatabaseFile, changed
from heliograph.backends.sqlite.statements import insert, json_text, keys_text, listed
from heliograph.core.model import Key
from heliograph.core.suppressing import Reason, Suppression, SuppressionQuery, folded, folded_key, in_order

SUPPRESSION_JSON: Final = "json_object('tenant', s.tenant, 'address', s.address, 'reason', s.reason, 'at', s.at)"
SUPPRESSED: Final = f"""
    SELECT {listed("(SELECT json_group_array(s.reason) FROM suppressions AS s WHERE s.tenant = k.value ->> 0 AND s.address = k.value ->> 1)")}
    FROM json_each(?) AS k
"""  # noqa: E501
SUPPRESS: Final = "INSERT INTO suppressions (tenant, address, reason, at) VALUES {rows} ON CONFLICT DO NOTHING"
UNSUPPRESS: Final = "DELETE FROM suppressions WHERE tenant = ? AND address = ?"
UNSUPPRESS_ONE: Final = f"{UNSUPPRESS} AND reason = ?"
PAGE: Final = f"""
    SELECT {listed(SUPPRESSION_JSON, "s.address, s.reason")} FROM (
        SELECT * FROM suppressions WHERE tenant = :tenant AND (address, reason) > (:address, :reason)
        ORDER BY address, reason LIMIT :limit
    ) AS s
"""
PAGE_OF_REASON: Final = f"""
    SELECT {listed(SUPPRESSION_JSON, "s.address")} FROM (
        SELECT * FROM suppressions WHERE tenant = :tenant AND reason = :reason AND address > :address
        ORDER BY address LIMIT :limit
    ) AS s
"""
TENANTS: Final = f"""
    SELECT {listed("(SELECT json_group_array(DISTINCT u.tenant ORDER BY u.tenant) FROM users AS u WHERE u.email IS NOT NULL AND lower(u.email) = k.value)")}
    FROM json_each(?) AS k
"""  # noqa: E501

_reasons: Final = msgspec.json.Decoder(list[list[str]])
_page: Final = msgspec.json.Decoder(list[Suppression])


class Suppressions:
    """See `core.ports.SuppressionStore`."""

    _file: DatabaseFile

    async def suppressed(self, addresses: Sequence[Key]) -> Sequence[tuple[Reason, ...]]:
        found = await self._file.fetch(SUPPRESSED, (keys_text(map(folded_key, addresses)),), _reasons)
        return [in_order(reasons) for reasons in found]

    async def suppress(self, suppressions: Sequence[Suppression]) -> None:
        rows = [(one.tenant, folded(one.address), one.reason, one.at) for one in suppressions]
        await self._file.write(lambda connection: insert(connection, SUPPRESS, rows))

    async def unsuppress(self, address: Key, reason: Reason | None = None) -> bool:
        sql, names = (UNSUPPRESS_ONE, (reason,)) if reason else (UNSUPPRESS, ())
        row = (address.tenant, folded(address.id), *names)
        return await self._file.write(lambda connection: changed(connection, sql, row) > 0)

    async def suppressions(self, query: SuppressionQuery) -> Sequence[Suppression]:
        address, reason = query.after
        bindings = {"tenant": query.tenant, "address": address, "reason": query.reason or reason, "limit": query.limit}
        return await self._file.fetch(PAGE_OF_REASON if query.reason else PAGE, bindings, _page)

    async def tenants_of(self, addresses: Sequence[str]) -> Sequence[tuple[str, ...]]:
        found = await self._file.fetch(TENANTS, (json_text([folded(one) for one in addresses]),), _reasons)
        return [tuple(tenants) for tenants in found]
