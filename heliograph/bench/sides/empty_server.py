"""The limit of `accept` and `bulk`: Heliograph's own HTTP edge answering 202 without keeping anything.

The same Litestar application, uvicorn settings, route, key check and answer. The body is read, but not even decoded: no
validation, no id, no store, no queue. What this server can do, no durable one of the same make can exceed.
"""

from __future__ import annotations

import os
import sys
from typing import Any, cast

import uvicorn
import uvloop
from litestar import Response, post

from heliograph.access import ServerKeys, UserTokens
from heliograph.bench.clock import now
from heliograph.core.bulk import MAX_BULK_BODY
from heliograph.core.ports import AccessStore
from heliograph.web import SEND, AnyRequest, Callers, application, json, raw_body


def main() -> None:
    no_store = cast("AccessStore", None)  # the bootstrap key is compared, never looked up
    keys = ServerKeys(no_store, now, os.environ["HELIOGRAPH_BOOTSTRAP_KEY"])
    callers = Callers(keys, UserTokens("", now))

    @post(["/v1/send", "/send"], status_code=202, opt=SEND)
    async def send(request: AnyRequest) -> Response[bytes]:
        await callers.tenant(request)
        await raw_body(request)
        return json({"id": "ntf_00000000000000000000000000", "status": "accepted"}, 202)

    @post("/v1/send/bulk", status_code=202, opt=SEND, request_max_body_size=MAX_BULK_BODY)
    async def send_bulk(request: AnyRequest) -> Response[bytes]:
        await callers.tenant(request)
        await raw_body(request, MAX_BULK_BODY)
        return json({"batch_id": "bat_00000000000000000000000000", "accepted": 0, "rejected": [], "ids": []}, 202)

    async def ready() -> dict[str, Any]:
        return {}

    async def nothing() -> None:
        return

    app = application([send, send_bulk], ready=ready, before_metrics=nothing)
    config = uvicorn.Config(
        app, port=int(sys.argv[1]), http="httptools", ws="none", lifespan="off", log_config=None, access_log=False,
        server_header=False, date_header=False, backlog=4096,
    )  # fmt: skip
    uvloop.run(uvicorn.Server(config).serve())


if __name__ == "__main__":
    main()
