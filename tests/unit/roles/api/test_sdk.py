"""What the clients in `sdk/` rely on is what the server has."""

from __future__ import annotations

import json

from tests.support.openapi import COMMITTED, relied_on
from tests.unit.roles.api.service import Service


async def test_the_clients_document_agrees_with_the_server(service: Service) -> None:
    """If it doesn't: `make openapi`, and mend the clients."""
    document = (await service.call("GET", "/openapi.json", key="")).json
    assert relied_on(document) == json.loads(COMMITTED.read_text())
