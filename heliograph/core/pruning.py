"""Which devices may be forgotten. Pure: reads what a provider said about tokens, answers whether to believe it.

A provider that knows none of our tokens is one that we ask in the wrong environment, for the wrong app or project. So
an answer that blames the token is believed only while such answers trickle; a wave means that we are wrong. Rules:
Apple's "Handling notification responses from APNs", Firebase's "Best practices for managing registration tokens".
"""

from __future__ import annotations

from typing import Final

import msgspec

from heliograph.core.model import Millis
from heliograph.core.outcomes import Delivered, Misconfigured, ProviderOutcome, Unregistered

MEMORY: Final = 50
"""Answers after which an older one has lost about two thirds of its weight."""
TRICKLE: Final = 0.1
"""Share of the recent answers that may blame the token. From a clean slate that is five in a row."""


def still_meant(registered_at: Millis, since: Millis | None) -> bool:
    """Whether a device that registered at `registered_at` is the one that a provider says is gone since `since`.

    A device that registers again with a token that was dead is alive again; the provider's news is then older. Without
    a time (None), the news are of now.
    """
    return since is None or registered_at < since


class TokenDoubts:
    """What one account's recent answers say about its tokens, as a moving share of those that blamed the token.

    Only answers that are about the token count: it was taken, it is known to be gone, or it is said to be no good.
    """

    def __init__(self) -> None:
        self.share = 0.0

    def judge(self, outcome: ProviderOutcome) -> ProviderOutcome:
        """The outcome itself; but a doubtful `Unregistered` is certain in a trickle, and `Misconfigured` in a wave."""
        if isinstance(outcome, Delivered):
            self._count(0.0)
            return outcome
        if not isinstance(outcome, Unregistered):
            return outcome
        self._count(1.0 if outcome.doubtful else 0.0)
        if not outcome.doubtful:
            return outcome
        if self.share > TRICKLE:
            return Misconfigured(f"{outcome.cause} from too many devices")
        return msgspec.structs.replace(outcome, doubtful=False)

    def _count(self, blamed: float) -> None:
        self.share += (blamed - self.share) / MEMORY
