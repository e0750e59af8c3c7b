"""The guards that settings make: every provider at its own ceiling, every account with a state of its own."""

from __future__ import annotations

from typing import Any

import pytest

from heliograph.cli.guards import guards_of
from heliograph.core.model import Level
from heliograph.core.outcomes import Misconfigured, ProviderOutcome
from heliograph.settings import load
from heliograph.testing.cells import MemoryCells

NAMES = ("sendgrid", "smtp", "fcm", "apns", "webpush", "expo")


def test_every_provider_has_its_ceiling() -> None:
    """`email_rate` holds for each e-mail provider; FCM alone begins from nothing after a pause."""
    settings = load(email_rate=7, fcm_rate=70, apns_rate=71, webpush_rate=72, expo_rate=73, breaker_probe_s=0.5)
    rules = {name: guard.rules for name, guard in guards_of(settings, MemoryCells(), NAMES).items()}
    assert [rules[name].pace.ceiling for name in NAMES] == [7, 7, 70, 71, 72, 73]
    assert [name for name in NAMES if rules[name].pace.restart == 0] == ["fcm"]
    assert (rules["fcm"].pace.least_pause_s, rules["fcm"].pace.pause_s, rules["fcm"].pace.ramp_s) == (10, 60, 60)
    assert {one.breaker.longest_probe_s for one in rules.values()} == {0.5}
    assert {one.breaker.first_probe_s for one in rules.values()} == {0.5}


def test_silence_is_shorter_than_the_time_out() -> None:
    """With the default of 10 s a hanging provider is known within 5 s."""
    (guard,) = guards_of(load(), MemoryCells(), ["fcm"]).values()
    assert guard.rules.breaker.silent_s == 4
    (quick,) = guards_of(load(provider_timeout_s=1), MemoryCells(), ["fcm"]).values()
    assert quick.rules.breaker.silent_s == pytest.approx(0.4)


@pytest.mark.parametrize(
    ("changes", "shared"),
    [({}, True), ({"email_rate": 5}, True), ({"sendgrid_api_key": "SG.other"}, False), ({"sendgrid_url": "x"}, False)],
)
async def test_other_credentials_are_another_account(changes: dict[str, Any], shared: bool) -> None:
    """A new key is not held back by what the old one did, and the key itself is not in the cache."""
    cells = MemoryCells()
    old = guards_of(load(sendgrid_api_key="SG.secret"), cells, ["sendgrid"])["sendgrid"]
    new = guards_of(load(**{"sendgrid_api_key": "SG.secret"} | changes), cells, ["sendgrid"])["sendgrid"]

    async def refuse() -> ProviderOutcome:
        return Misconfigured("sendgrid 401")

    await old.call(refuse)
    assert ((await new.admit(1, Level.P0)).count == 0) is shared
    assert not any("SG." in name for name in cells.values)
