"""How much a run does: small numbers inside the suite, the full ones with HELIOGRAPH_CHAOS=long. And its seed."""

from __future__ import annotations

import os
import random
from typing import Final, TypeVar

LONG: Final = os.environ.get("HELIOGRAPH_CHAOS") == "long"
SEED_VARIABLE: Final = "HELIOGRAPH_CHAOS_SEED"
_LANDING_SEED: Final = "20261124"
"""Inside the suite the dice always fall alike: a change is judged by what it does. The long profile draws its own."""

Number = TypeVar("Number", int, float)


def scaled(short: Number, long: Number) -> Number:
    """The number of the profile that runs."""
    return long if LONG else short


def seed_of_run() -> str:
    """The seed to use: the one asked for, else the profile's."""
    asked = os.environ.get(SEED_VARIABLE)
    return asked or (str(random.randrange(10**9)) if LONG else _LANDING_SEED)
