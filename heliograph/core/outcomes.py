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
    """Too fast: nothing before `after_s` seconds (None: the provider didn't say)."""

    cause: str
    after_s: float | None = None


class Unavailable(msgspec.Struct, frozen=True, tag=True):
    """A transient failure of the provider or of the way to it. `unknown` = the call may have taken effect."""

    cause: str
    after_s: float | None = None
    unknown: bool = False


class Rejected(msgspec.Struct, frozen=True, tag=True):
    """This message will never be taken. `bad_address` = and neither will any other to this address."""

    cause: str
    bad_address: bool = False


class Unregistered(msgspec.Struct, frozen=True, tag=True):
    """The device is gone: forget its token."""

    cause: str


class Misconfigured(msgspec.Struct, frozen=True, tag=True):
    """Our credentials or account are wrong: nothing is wrong with the message, so it waits."""

    cause: str


ProviderOutcome = Delivered | Throttled | Unavailable | Rejected | Unregistered | Misconfigured


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
