"""`/openapi.json`: the routes as Litestar knows them, with the bodies that our handlers read and answer by themselves.

A handler names its shapes in its options: `opt={"body": SendRequest, "answers": {202: "…"}}`; who may call it too:
`"auth"` is server, user or either, `"scope"` what a server key must have.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from litestar import Litestar
from litestar.handlers import HTTPRouteHandler

_REF: Final = "#/components/schemas/{name}"
_SCHEMES: Final = {
    "server": {"type": "http", "scheme": "bearer", "description": "A server key: hg_sk_…"},
    "user": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "A user token"},
}


def with_bodies(app: Litestar) -> dict[str, Any]:
    """The OpenAPI 3.1 document as plain data."""
    document = app.openapi_schema.to_schema()
    handlers = [
        h for route in app.routes for h in getattr(route, "route_handlers", ()) if isinstance(h, HTTPRouteHandler)
    ]
    shapes = list(dict.fromkeys(h.opt["body"] for h in handlers if "body" in h.opt))
    references, schemas = msgspec.json.schema_components(shapes, ref_template=_REF) if shapes else ((), {})
    reference_of = dict(zip(shapes, references, strict=True))
    components = document.setdefault("components", {})
    components["schemas"] = {**components.get("schemas", {}), **schemas, "Problem": _PROBLEM}
    components["securitySchemes"] = _SCHEMES
    for handler in handlers:
        for path in handler.paths:
            for method in handler.http_methods:
                operation = document["paths"].get(path.replace(":str", ""), {}).get(str(method).lower())
                if operation:
                    _complete(operation, handler, reference_of)
    return document


def _complete(operation: dict[str, Any], handler: HTTPRouteHandler, reference_of: dict[Any, Any]) -> None:
    options = handler.opt
    if "body" in options:
        schema = reference_of[options["body"]]
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    if "auth" in options:
        # "either": one of the two is enough
        ways = ("user", "server") if options["auth"] == "either" else (options["auth"],)
        scopes = [options["scope"]] if "scope" in options else []
        operation["security"] = [{way: scopes if way == "server" else []} for way in ways]
    answers = options.get("answers", {})
    if answers:
        operation["responses"] = {str(status): {"description": text} for status, text in answers.items()}
    refused = {"content": {"application/problem+json": {"schema": {"$ref": _REF.format(name="Problem")}}}}
    operation["responses"]["4XX"] = {"description": "Refused; nothing changed", **refused}
    operation["responses"]["503"] = {"description": "Try again after Retry-After", **refused}
    if options.get("parameters"):
        operation["parameters"] = [*operation.get("parameters", []), *options["parameters"]]


_PROBLEM: Final = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "code", "errors"],
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"path": {"type": "string"}, "message": {"type": "string"}},
            },
        },
    },
}
