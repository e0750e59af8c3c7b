"""What every scenario sends: the example of CONTRACT section 2, with a number of its own in every request."""

from __future__ import annotations

from typing import Final

import msgspec

BODY: Final = msgspec.json.encode({
    "to": "user-$U", "type": "transactional", "category": "order.shipped", "title": "Your order #$N has shipped",
    "body": "It left our warehouse this morning. Track it any time.", "data": {"order_id": "$N", "items": 3},
    "action_url": "https://shop.example/orders/$N",
}).decode()  # fmt: skip
"""`$N` and `$U` become the number of the request and of the user, nine digits each (`bench.load.Plan`)."""
