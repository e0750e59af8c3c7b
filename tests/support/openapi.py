"""The part of `/openapi.json` that the clients in `sdk/` rely on. `python -m tests.support.openapi` writes it anew from
the running system into `sdk/openapi.json`, from which the clients' types are generated (`make openapi`)."""

from __future__ import annotations

import asyncio
import json
import re
import tempfile
from pathlib import Path
from typing import Any, Final

from tests.support.system import Heliograph

COMMITTED: Final = Path(__file__).parents[2] / "sdk/openapi.json"
PATHS: Final = (
    "/v1/devices",
    "/v1/devices/{device_id}",
    "/v1/inbox",
    "/v1/inbox/read-all",
    "/v1/inbox/unread",
    "/v1/inbox/{item_id}/{mark}",
    "/v1/preferences",
    "/v1/send",
    "/v1/send/bulk",
    "/v1/users/{user_id}/token",
)
_REFERENCE: Final = re.compile(r'"#/components/schemas/([^"]+)"')


def relied_on(document: dict[str, Any]) -> dict[str, Any]:
    """The document with only what the clients call, and the schemas that this leads to."""
    paths = {path: document["paths"][path] for path in PATHS}
    schemas: dict[str, Any] = {}
    wanted = set(_REFERENCE.findall(json.dumps(paths)))
    while wanted:
        schemas |= {name: document["components"]["schemas"][name] for name in wanted}
        wanted = set(_REFERENCE.findall(json.dumps(schemas))) - set(schemas)
    return {
        "openapi": document["openapi"],
        "info": {"title": "Heliograph, as far as its clients rely on it", "version": "1"},
        "paths": paths,
        "components": {"schemas": dict(sorted(schemas.items()))},
    }


async def _write() -> None:
    with tempfile.TemporaryDirectory() as folder:
        system = await Heliograph(Path(folder), lab=False).start()
        try:
            document = relied_on(await system.get("/openapi.json", key=None))
        finally:
            await system.close()
    COMMITTED.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    asyncio.run(_write())
