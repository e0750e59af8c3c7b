"""What the roles need from the outside world: one Protocol per port.

Each has one implementation in `backends/` or `providers/` (two for the store) and one in-memory twin in
`heliograph/testing/`; one contract suite in `tests/contract/` runs against all of them. Every method that takes a
sequence answers with one of the same length and order, and costs the backend a constant number of commands.
"""

from __future__ import annotations

from heliograph.core.ports.cells import Cells
from heliograph.core.ports.dead_letters import DeadGroup, DeadLetter, DeadLetterStore
from heliograph.core.ports.inbox import InboxQuery, InboxStore
from heliograph.core.ports.people import AccessStore, UserStore
from heliograph.core.ports.providers import Clock, MailProvider, PushProvider, ReceiptProvider
from heliograph.core.ports.queue import LaneState, Pulled, Queue
from heliograph.core.ports.realtime import (
    Appended,
    Bus,
    Position,
    PresenceCache,
    PresenceLease,
    Receive,
    StreamEntry,
    UserStreams,
)
from heliograph.core.ports.retention import RetentionStore, Swept
from heliograph.core.ports.sending import (
    Accepted,
    Begun,
    CancelResult,
    DueBatch,
    Idempotency,
    Mismatch,
    NotificationStore,
    Reached,
    Submission,
)
from heliograph.core.ports.store import Store
from heliograph.core.ports.suppressions import SuppressionStore
from heliograph.core.ports.tickets import Ticket, TicketStore
from heliograph.core.ports.topics import TopicStore

__all__ = [
    "Accepted",
    "AccessStore",
    "Appended",
    "Begun",
    "Bus",
    "CancelResult",
    "Cells",
    "Clock",
    "DeadGroup",
    "DeadLetter",
    "DeadLetterStore",
    "DueBatch",
    "Idempotency",
    "InboxQuery",
    "InboxStore",
    "LaneState",
    "MailProvider",
    "Mismatch",
    "NotificationStore",
    "Position",
    "PresenceCache",
    "PresenceLease",
    "Pulled",
    "PushProvider",
    "Queue",
    "Reached",
    "ReceiptProvider",
    "Receive",
    "RetentionStore",
    "Store",
    "StreamEntry",
    "Submission",
    "SuppressionStore",
    "Swept",
    "Ticket",
    "TicketStore",
    "TopicStore",
    "UserStore",
    "UserStreams",
]
