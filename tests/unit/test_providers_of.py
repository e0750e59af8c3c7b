"""Which providers an installation has, by its settings; what is wrong with them is said at start-up."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from heliograph.cli.providers import Providers, providers_of
from heliograph.lab.apns_identity import Identity
from heliograph.settings import load


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("HELIOGRAPH_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def apns(tmp_path: Path) -> dict[str, Any]:
    """Settings that do."""
    ca, key = Identity().write(tmp_path)
    return {
        "apns_key": str(key), "apns_ca": str(ca), "apns_key_id": "KEY4567890", "apns_team_id": "TEAM567890",
        "apns_topic": "com.example.shop",
    }  # fmt: skip


def made(settings: dict[str, Any]) -> Providers:
    return providers_of(load(None, **settings))


async def test_apns_serves_apns_devices(apns: dict[str, Any]) -> None:
    """And the router hears of it."""
    providers = made(apns)
    assert providers.push["apns"].name == "apns"
    assert "apns" in providers.means.push
    await providers.close()


async def test_no_key_no_apns() -> None:
    """Nothing is configured, nothing is served."""
    providers = made({})
    assert "apns" not in providers.push
    await providers.close()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"apns_topic": ""}, "needs HELIOGRAPH_APNS_TOPIC beside it"),
        ({"apns_key_id": "", "apns_team_id": ""}, "needs HELIOGRAPH_APNS_KEY_ID, HELIOGRAPH_APNS_TEAM_ID beside it"),
        ({"apns_key": "/nowhere/key.p8"}, "the APNs key can't be read"),
        ({"apns_ca": "/nowhere/ca.pem"}, "HELIOGRAPH_APNS_CA can't be used"),
        ({"apns_url": "http://api.push.apple.com"}, "HELIOGRAPH_APNS_URL must begin with https://"),
    ],
)
async def test_settings_that_do_not_fit(apns: dict[str, Any], change: dict[str, str], sentence: str) -> None:
    """One line that names the setting."""
    with pytest.raises(ValueError, match=sentence):
        made(apns | change)


async def test_a_key_that_is_none(apns: dict[str, Any]) -> None:
    """The certificate instead of the key, say."""
    with pytest.raises(ValueError, match="the APNs key can't be used"):
        made(apns | {"apns_key": apns["apns_ca"]})
