"""Settings become push providers: which device kinds are served, what pages are told, and what is refused at start."""

from __future__ import annotations

import os
from typing import Any

import pytest

from heliograph.cli.limits import realtime_origins
from heliograph.cli.providers import Providers, allowed_hosts, providers_of
from heliograph.providers.vapid import new_key_pair
from heliograph.settings import load

PAIR = new_key_pair()
VAPID = {"vapid_private_key": PAIR.private, "vapid_subject": "mailto:ops@shop.example"}


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs the tests may have settings of their own."""
    for name in [name for name in os.environ if name.startswith("HELIOGRAPH_")]:
        monkeypatch.delenv(name)


def made(**settings: Any) -> Providers:
    return providers_of(load(**settings))


async def test_expo_needs_no_settings_and_can_be_turned_off() -> None:
    """It knows an app by its tokens."""
    found = made()
    assert (set(found.push), [one.name for one in found.receipts]) == ({"expo"}, ["expo"])
    await found.close()
    none = made(expo_url="")
    assert (none.push, none.receipts) == ({}, ())
    await none.close()


async def test_web_push_needs_its_key() -> None:
    """Then pages are told the public one, and subscriptions are served."""
    without, found = made(expo_url=""), made(expo_url="", **VAPID)
    assert (without.webpush_key, without.means.push) == (None, frozenset())
    assert (found.webpush_key, found.means.push) == (PAIR.public, frozenset({"webpush"}))
    for one in (without, found):
        await one.close()


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({**VAPID, "vapid_subject": ""}, "HELIOGRAPH_VAPID_SUBJECT"),
        ({**VAPID, "vapid_private_key": "x"}, "HELIOGRAPH_VAPID_PRIVATE_KEY"),
    ],
)
def test_wrong_keys_are_said_at_start(settings: dict[str, str], name: str) -> None:
    """By the name of their setting."""
    with pytest.raises(ValueError, match=name):
        made(**settings)


def test_hosts_that_may_be_private() -> None:
    """Comma separated, whatever the spaces and capitals; none by default."""
    assert allowed_hosts(load()) == frozenset()
    found = allowed_hosts(load(webpush_allow_hosts=" 127.0.0.1:8090, LocalHost:8090,"))
    assert found == {"127.0.0.1:8090", "localhost:8090"}


def test_which_pages_may_open_a_websocket() -> None:
    """Every one by default; else those of the list, and clients without an Origin only if it has `none`."""
    assert realtime_origins(load()) is None
    assert realtime_origins(load(realtime_origins="")) == ()
    listed = load(realtime_origins=" https://shop.example/, none,http://localhost:5173")
    assert realtime_origins(listed) == ("https://shop.example", None, "http://localhost:5173")
