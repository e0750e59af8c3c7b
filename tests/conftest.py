"""What holds for every test."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("heliograph", deadline=None)
"""No example is judged by the clock: the machine may be busy."""
settings.load_profile("heliograph")
