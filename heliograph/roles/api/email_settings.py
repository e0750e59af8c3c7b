"""Who a tenant's mails come from. DKIM, SPF and DMARC of that domain are set up at the provider, not here."""

from __future__ import annotations

from typing import Any

from litestar import Response, get, put
from litestar.types import ControllerRouterHandler

from heliograph.core.errors import Problem
from heliograph.core.senders import Sender, sender_flaws
from heliograph.senders import Senders
from heliograph.web import MANAGE, READ, AnyRequest, Callers, json, read_body


def _shown(sender: Sender) -> dict[str, Any]:
    return {"from": sender.sender, "reply_to": sender.reply_to}


def routes(senders: Senders, callers: Callers) -> list[ControllerRouterHandler]:
    @get("/v1/settings/email", opt=READ, summary="From and Reply-To of your mails")
    async def show(request: AnyRequest) -> Response[bytes]:
        tenant = await callers.tenant(request)
        return json(_shown((await senders.of([tenant]))[tenant]))

    @put("/v1/settings/email", opt={**MANAGE, "body": Sender}, summary="Set From and Reply-To of your mails")
    async def set_(request: AnyRequest) -> Response[bytes]:
        tenant = await callers.tenant(request)
        wanted = await read_body(request, Sender)
        if flaws := sender_flaws(wanted):
            raise Problem("invalid", flaws=flaws)
        await senders.put(tenant, wanted)
        return json(_shown(wanted))

    return [show, set_]
