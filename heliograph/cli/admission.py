"""Who is let in, by the settings: the door, the quotas, and the keys of an outside issuer of user tokens."""

from __future__ import annotations

from heliograph.backends import jwks
from heliograph.cli.backends import now
from heliograph.core.admission import Marks
from heliograph.core.ports import Cells
from heliograph.door import Door
from heliograph.loop_lag import LAG
from heliograph.quotas import Quotas
from heliograph.settings import Settings
from heliograph.signing_keys import SigningKeys


def door_of(settings: Settings) -> Door:
    marks = Marks(settings.accept_high_water, round(settings.bodies_high_water_mib * 2**20), settings.lag_high_water_s)
    return Door(marks, lambda: LAG.sustained_s)


def quotas_of(settings: Settings, cells: Cells) -> Quotas:
    return Quotas(cells, now, settings.key_rate, settings.key_daily, settings.recipient_per_minute)


def signing_keys_of(settings: Settings) -> SigningKeys | None:
    """None = only the secret signs user tokens. Raises `ValueError` for a source that can't be trusted."""
    source = settings.user_token_jwks
    if not source:
        return None
    jwks.is_url(source)
    return SigningKeys(lambda: jwks.fetch(source), settings.user_token_jwks_algorithm)
