"""Settings: one list of them, environment over file over defaults, secrets masked, mistakes refused."""

from __future__ import annotations

import os
import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from heliograph.settings import Settings, load

CONTRACT = {
    "store_url", "nats_url", "redis_url", "bootstrap_key", "user_token_secret", "email_providers", "email_rate",
    "email_from", "sendgrid_url", "sendgrid_api_key", "sendgrid_webhook_key", "smtp_url", "fcm_url",
    "fcm_service_account", "vapid_private_key", "vapid_subject", "expo_url", "apns_url", "apns_key",
    "apns_key_id", "apns_team_id", "apns_topic",
    "retry_base_s", "retry_max_attempts", "unseen_after_s", "presence_ttl_s",
}  # fmt: skip
"""The names that CONTRACT section 0 fixes, as far as they exist."""


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs the tests may have settings of their own."""
    for name in [name for name in os.environ if name.startswith("HELIOGRAPH_")]:
        monkeypatch.delenv(name)


def test_the_shipped_file_lists_every_setting_with_a_sentence() -> None:
    """One place to read them all: name, default, comment; nothing more and nothing less than the code knows."""
    text = files("heliograph").joinpath("default.toml").read_text("utf-8")
    assert set(tomllib.loads(text)) == set(Settings.model_fields)
    lines = [line for line in text.splitlines() if "=" in line and not line.startswith("#")]
    assert len(lines) == len(Settings.model_fields)
    assert all("#" in line for line in lines)
    assert set(Settings.model_fields) >= CONTRACT


def test_the_defaults_of_the_contract() -> None:
    """What CONTRACT section 0 says of them."""
    settings = load()
    assert (settings.unseen_after_s, settings.presence_ttl_s) == (30, 45)
    assert settings.store_url.get_secret_value() == ""


def test_the_environment_wins_over_the_file_over_the_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And what a command line gives stands between environment and file."""
    chosen = tmp_path / "mine.toml"
    chosen.write_text('email_rate = 7.0\nretry_base_s = 7.0\nhost = "::1"\n')
    monkeypatch.setenv("HELIOGRAPH_EMAIL_RATE", "9")
    settings = load(chosen, host="0.0.0.0", email_rate=8)
    assert (settings.email_rate, settings.retry_base_s, settings.host) == (9, 7, "0.0.0.0")
    assert settings.retry_max_attempts == load().retry_max_attempts


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("email_rat = 5", "email_rat"), ("email_rate = 0", "email_rate"), ('email_rate = "fast"', "email_rate"),
        ("retry_max_attempts = 0", "retry_max_attempts"), ("unseen_after_s = -1", "unseen_after_s"),
        ("batch_max = 1000000", "batch_max"), ('log_level = "loud"', "log_level"), ("[email]\nrate = 1", "email"),
        ("presence_ttl_s = 0", "presence_ttl_s"), ("accept_high_water = 0", "accept_high_water"),
        ("accept_within_s = 0", "accept_within_s"),
    ],
)  # fmt: skip
def test_a_mistake_is_refused_by_name(tmp_path: Path, line: str, name: str) -> None:
    """An unknown name or a value out of range ends the start-up instead of being ignored."""
    chosen = tmp_path / "mine.toml"
    chosen.write_text(line)
    with pytest.raises(ValidationError) as refused:
        load(chosen)
    assert [error["loc"][0] for error in refused.value.errors()] == [name]


def test_secrets_are_masked_wherever_settings_are_shown() -> None:
    """URLs carry passwords, keys are keys: neither a log nor `heliograph check` shows one."""
    secret = "s3cr3t-of-mine"
    names = {
        "store_url", "nats_url", "redis_url", "bootstrap_key", "user_token_secret", "sendgrid_api_key", "smtp_url",
        "webhook_secrets",
    }  # fmt: skip
    given: dict[str, Any] = dict.fromkeys(names, f"x://u:{secret}@h")
    settings = load(**given)
    assert secret not in str(settings.shown())
    assert secret not in repr(settings)
    assert set(settings.shown()) == set(Settings.model_fields)
    assert settings.smtp_url.get_secret_value().count(secret) == 1


def test_settings_do_not_change_while_running() -> None:
    """Every role of a process sees the same."""
    with pytest.raises(ValidationError):
        load().email_rate = 5
