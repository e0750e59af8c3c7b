"""How many processes each role should have, for whoever starts them: KEDA's `metrics-api` scaler reads it from here.

Open to everyone who reaches it, like `/metrics`: it is about this installation, not about a tenant.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

import msgspec
from litestar import Response, get
from litestar.types import ControllerRouterHandler

from heliograph.autoscaling import Size
from heliograph.core.errors import Problem
from heliograph.web import AnyRequest, json


def routes(sizes: Callable[[], Awaitable[Mapping[str, Size]]]) -> list[ControllerRouterHandler]:
    @get("/autoscale", include_in_schema=False)
    async def all_roles() -> Response[bytes]:
        return json({"roles": {role: msgspec.structs.asdict(size) for role, size in (await sizes()).items()}})

    @get("/autoscale/{role:str}", include_in_schema=False)
    async def one_role(request: AnyRequest) -> Response[bytes]:
        found = (await sizes()).get(request.path_params["role"])
        if found is None:
            raise Problem("not_found")
        return json(msgspec.structs.asdict(found))

    return [all_roles, one_role]
