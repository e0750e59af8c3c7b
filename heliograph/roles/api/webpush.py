"""What a web page needs before it can subscribe to Web Push: the application server's public key."""

from __future__ import annotations

from litestar import Response, get
from litestar.types import ControllerRouterHandler

from heliograph.core.errors import Problem
from heliograph.web import READ, AnyRequest, Callers, json


def routes(public_key: str | None, callers: Callers) -> list[ControllerRouterHandler]:
    """`public_key`: base64url of the uncompressed P-256 point; None = this installation sends no Web Push."""

    @get("/v1/webpush/key", opt={**READ, "auth": "either"}, summary="The key that pages subscribe to Web Push with")
    async def webpush_key(request: AnyRequest) -> Response[bytes]:
        await callers.either(request)
        if public_key is None:
            raise Problem("not_found", "Web Push is not configured: HELIOGRAPH_VAPID_PRIVATE_KEY is not set")
        return json({"public_key": public_key})

    return [webpush_key]
