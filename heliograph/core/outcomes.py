"""What became of a try, as values: providers return one family, consumers another; exceptions are for bugs.

Provider outcomes say what the outside world answered; item outcomes say what the queue must do with the item.
"""

from __future__ import annotations

import msgspec

from heliograph.core.model import Millis


class Delivered(msgspec.Struct, frozen=True, tag=True):
    """The provider took it. `final` = it also told us that the person's side has it (else a webhook may)."""

    provider_id: str | None = None
    final: bool = False


class Throttled(msgspec.Struct, frozen=True, tag=True):
    """Too fast: nothing before `after_s` seconds (None: the provider didn't say).

    `alone` = it is about this recipient only (its device, its mailbox, its own push service); else the account slows
    down.
    """

    cause: str
    after_s: float | None = None
    alone: bool = False


class Unavailable(msgspec.Struct, frozen=True, tag=True):
    """A transient failure of the provider or of the way to it. `unknown` = the call may have taken effect.

    `alone` = it is about this recipient only; else it is a sign that the provider is down. `asked` = `after_s` is the
    provider's own word (Retry-After) and holds for every message; else it is meant for this one.
    """

    cause: str
    after_s: float | None = None
    unknown: bool = False
    alone: bool = False
    asked: bool = False


class Rejected(msgspec.Struct, frozen=True, tag=True):
    """This message will never be taken. `bad_address` = and neither will any other to this address."""

    cause: str
    bad_address: bool = False


class Unregistered(msgspec.Struct, frozen=True, tag=True):
    """The device is gone: forget its token."""

    cause: str


class Misconfigured(msgspec.Struct, frozen=True, tag=True):
    """Our credentials or account are wrong: nothing is wrong with the message, so it waits.

    `alone` = only for some recipients (credentials that the provider holds for one platform, say).
    """

    cause: str
    alone: bool = False


class Held(msgspec.Struct, frozen=True, tag=True):
    """No call was made: the provider's breaker opened, or a pause began, between admission and call."""

    cause: str


ProviderOutcome = Delivered | Throttled | Unavailable | Rejected | Unregistered | Misconfigured | Held


class Done(msgspec.Struct, frozen=True):
    """The item is settled."""


class RetryAt(msgspec.Struct, frozen=True):
    """The item comes back at `at`, as `item` if that is given (an attempt later, say).

    Short waits travel through the retry lane; what waits over a minute is dropped from the queue, because the store
    knows its time (`retrying` event) and the reconciler publishes it then.
    """

    at: Millis
    item: object | None = None


class Dead(msgspec.Struct, frozen=True):
    """The item can't be handled: into the dead letters with its cause, and only then is it recorded as failed.

    `attempt` and `provider` say which try ended it, where a provider's answer did.
    """

    cause: str
    detail: str = ""
    attempt: int = 0
    provider: str = ""


Outcome = Done | RetryAt | Dead
DONE = Done()
