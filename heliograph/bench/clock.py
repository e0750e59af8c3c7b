"""The wall clock of the benchmarks. The command line has the same, but is slow to import."""

from __future__ import annotations

import time

from heliograph.core.model import Millis


def now() -> Millis:
    """Milliseconds since 1970, UTC."""
    return time.time_ns() // 1_000_000
