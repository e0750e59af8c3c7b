"""What every scenario sends: the example of CONTRACT section 2, with a number of its own in every request."""

from __future__ import annotations

from typing import Any, Final

import msgspec


def send(user: Any, number: str, kind: str = "transactional") -> dict[str, Any]:
    """One send as JSON will have it. `user`: a user id, or an object with it."""
    return {
        "to": user, "type": kind, "category": "order.shipped", "title": f"Your order #{number} has shipped",
        "body": "It left our warehouse this morning. Track it any time.", "data": {"order_id": number, "items": 3},
        "action_url": f"https://shop.example/orders/{number}",
    }  # fmt: skip


def text_of(content: Any) -> str:
    """JSON."""
    return msgspec.json.encode(content).decode()


BODY: Final = text_of(send("user-$U", "$N"))
"""`$N` and `$U` become the number of the request and of the user, nine digits each (`load.Plan`)."""
