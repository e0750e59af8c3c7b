"""Real-time service: holds the clients' WebSockets and tells them what concerns their user (CONTRACT section 5).

`node.py` wires it, `socket.py` speaks WebSocket, `connection.py` is one client's state, `opening.py` what happens when
it connects, `hub.py` who is connected here; `holes`, `acks`, `marks`, `leases`, `rounds`, `wheel` have one duty each.
"""

from heliograph.roles.realtime.node import RealtimeNode
from heliograph.roles.realtime.services import Limits

__all__ = ["Limits", "RealtimeNode"]
