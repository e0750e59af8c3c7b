"""One frozen tree of settings: `HELIOGRAPH_*` environment over a TOML file over `default.toml`, which lists all."""

from __future__ import annotations

import math
import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from heliograph.core.masking import masked
from heliograph.core.retention import DAY_S, Keep


def _defaults() -> dict[str, Any]:
    return tomllib.loads(files("heliograph").joinpath("default.toml").read_text("utf-8"))


class Settings(BaseSettings):
    """See `default.toml` for what each one means. Unknown names in the file are refused; so are values out of range."""

    model_config = SettingsConfigDict(env_prefix="HELIOGRAPH_", frozen=True, extra="forbid")

    store_url: SecretStr
    nats_url: SecretStr
    nats_replicas: int = Field(ge=1, le=5)
    nats_ca: str
    nats_cert: str
    nats_key: str
    redis_url: SecretStr
    public_url: str
    host: str
    cors_origins: str
    realtime_origins: str

    bootstrap_key: SecretStr
    key_rate: float = Field(ge=0)
    key_daily: int = Field(ge=0)
    recipient_per_minute: int = Field(ge=0)
    user_token_jwks: str
    user_token_jwks_algorithm: Literal[
        "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"
    ]
    user_token_secret: SecretStr

    email_providers: str
    email_rate: float = Field(gt=0)
    email_from: str
    sendgrid_url: str
    sendgrid_api_key: SecretStr
    sendgrid_webhook_key: str
    webhook_secrets: SecretStr
    smtp_url: SecretStr

    fcm_url: str
    fcm_service_account: str
    fcm_rate: float = Field(gt=0)
    apns_rate: float = Field(gt=0)
    vapid_private_key: SecretStr
    vapid_subject: str
    webpush_allow_hosts: str
    webpush_rate: float = Field(gt=0)
    expo_url: str
    expo_access_token: SecretStr
    expo_receipt_after_s: float = Field(gt=0)
    expo_rate: float = Field(gt=0)
    apns_url: str
    apns_key: str
    apns_key_id: str
    apns_team_id: str
    apns_topic: str
    apns_ca: str

    retry_base_s: float = Field(gt=0)
    retry_ceiling_s: float = Field(gt=0)
    retry_max_attempts: int = Field(ge=1)
    provider_timeout_s: float = Field(gt=0)
    resend_unknown: Literal["none", "p0", "all"]
    unknown_hold_s: float = Field(ge=0)
    breaker_probe_s: float = Field(gt=0)
    unseen_after_s: float = Field(gt=0)
    presence_ttl_s: float = Field(gt=0)
    heartbeat_s: float = Field(gt=0)
    webhook_tolerance_s: float = Field(gt=0)

    keep_notifications_s: float = Field(ge=0)
    keep_inbox_s: float = Field(ge=0)
    keep_batches_s: float = Field(ge=0)
    keep_dead_letters_s: float = Field(ge=0)
    keep_idempotency_s: float = Field(ge=0)

    accept_high_water: int = Field(ge=1)
    bodies_high_water_mib: float = Field(gt=0)
    lag_high_water_s: float = Field(gt=0)
    accept_within_s: float = Field(gt=0)
    batch_max: int = Field(ge=1, le=5000)
    reconcile_every_s: float = Field(gt=0)
    reconcile_batch: int = Field(ge=1)
    autoscale_processes: str
    autoscale_target_s: float = Field(gt=0)
    autoscale_calm_s: float = Field(gt=0)

    metrics_port: int = Field(ge=0, le=65_535)
    metrics_token: SecretStr
    heartbeat_notification_every_s: float = Field(ge=0)
    otlp_url: str
    otlp_ratio: float = Field(ge=0, le=1)
    log_level: Literal["debug", "info", "warning", "error"]
    log_format: Literal["auto", "json", "text"]

    @model_validator(mode="after")
    def _kept_long_enough(self) -> Self:
        """CONTRACT section 2: an idempotency key is kept for a day; a dead letter is nothing without its notification.
        0 = for ever."""
        for name in ("keep_notifications_s", "keep_batches_s", "keep_idempotency_s"):
            if 0 < getattr(self, name) < DAY_S:
                raise ValueError(f"{name} is less than a day ({DAY_S:g})")
        if 0 < self.keep_notifications_s < (self.keep_dead_letters_s or math.inf):
            raise ValueError("keep_dead_letters_s is longer than keep_notifications_s, which they need")
        return self

    @classmethod
    def settings_customise_sources(
        cls, settings_cls: type[BaseSettings], init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource, dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:  # fmt: skip
        """The environment stands above the file, which `load` passes as init arguments."""
        return (env_settings, init_settings)

    def shown(self) -> dict[str, Any]:
        """Every setting as text, secrets masked."""
        return {name: masked(str(value)) for name, value in self.model_dump().items()}


def load(config: Path | None = None, **overrides: Any) -> Settings:
    """The effective settings.

    Args:
        config: a TOML file with some of the names of `default.toml`.
        overrides: stand above the file and below the environment.

    Raises:
        pydantic.ValidationError: with the name of every setting that isn't valid.
    """
    chosen = tomllib.loads(config.read_text("utf-8")) if config else {}
    return Settings(**{**_defaults(), **chosen, **overrides})


def keep_of(settings: Settings) -> Keep:
    """How long what is kept."""
    return Keep(
        notifications_s=settings.keep_notifications_s,
        inbox_s=settings.keep_inbox_s,
        batches_s=settings.keep_batches_s,
        dead_letters_s=settings.keep_dead_letters_s,
        idempotency_s=settings.keep_idempotency_s,
    )
