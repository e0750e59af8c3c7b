"""A token bucket of one process. Pure: the caller's clock is the only one it knows."""

from __future__ import annotations

from heliograph.core.model import Millis


def wait_s(tokens: float, rate_per_s: float) -> float:
    """Seconds until a bucket that holds `tokens` has a whole one; 0 when it has."""
    return 0.0 if tokens >= 1 else (1 - tokens) / rate_per_s


class Bucket:
    """Holds at most one second's worth, and never less than one token.

    Args:
        tokens: what is in it at `at`.
    """

    def __init__(self, tokens: float, at: Millis) -> None:
        self._tokens = tokens
        self._at = at

    def take(self, wanted: int, rate_per_s: float, now: Millis) -> tuple[int, float]:
        """(granted, seconds until the next token). A clock that goes back adds nothing."""
        gained = max(0, now - self._at) * rate_per_s / 1000
        self._tokens = min(max(1.0, rate_per_s), self._tokens + gained)
        self._at = max(self._at, now)
        granted = min(wanted, int(self._tokens + 1e-9))
        self._tokens = max(0.0, self._tokens - granted)
        return granted, wait_s(self._tokens, rate_per_s)
