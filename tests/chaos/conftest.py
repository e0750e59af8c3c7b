"""Installations that may be killed and wiped."""

from __future__ import annotations

import os

import pytest

from tests.e2e.system.conftest import install, mongo_database_url, mongo_url, store_settings

__all__ = ["install", "load", "mongo_database_url", "mongo_url", "store_settings"]


@pytest.fixture
def load() -> int:
    """How many notifications a run accepts: few inside the suite, many with HELIOGRAPH_CHAOS=long."""
    return 20_000 if os.environ.get("HELIOGRAPH_CHAOS") == "long" else 600
