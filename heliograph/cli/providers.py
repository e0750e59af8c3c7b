"""Makes the providers that the settings name, e-mail in its order.

Reads settings and the key files that they name; a name without its settings is refused at start.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from heliograph.cli.backends import now
from heliograph.core.ports import MailProvider, PushProvider, ReceiptProvider
from heliograph.core.routing import Means
from heliograph.providers.apns import Apns
from heliograph.providers.apns_pool import ApnsPool
from heliograph.providers.apns_token import load_key
from heliograph.providers.expo import Expo
from heliograph.providers.fcm import Fcm
from heliograph.providers.http import Http
from heliograph.providers.sendgrid import SendGrid
from heliograph.providers.smtp import Smtp
from heliograph.providers.vapid import Vapid
from heliograph.providers.webpush import WebPush, guarded_http
from heliograph.settings import Settings


@dataclass
class Providers:
    """What this installation can send with."""

    mail: list[MailProvider]
    push: dict[str, PushProvider]
    webpush_key: str | None = None
    """What web pages subscribe with."""
    receipts: tuple[ReceiptProvider, ...] = ()

    @property
    def means(self) -> Means:
        return Means(email=bool(self.mail), push=frozenset(self.push))  # type: ignore[arg-type]

    @property
    def everyone(self) -> list[MailProvider | PushProvider]:
        return [*self.mail, *dict.fromkeys(self.push.values())]

    async def close(self) -> None:
        for provider in self.everyone:
            await provider.close()


def providers_of(settings: Settings) -> Providers:
    """The configured providers, e-mail in its order. Raises `ValueError` for a name without its settings."""

    def http() -> Http:
        """A pool for each provider: one that hangs must not hold another's connections."""
        return Http(timeout_s=settings.provider_timeout_s)

    found: dict[str, MailProvider] = {}
    if settings.sendgrid_api_key.get_secret_value():
        api_key = settings.sendgrid_api_key.get_secret_value()
        found["sendgrid"] = SendGrid(settings.sendgrid_url, api_key, settings.email_from, http())
    if settings.smtp_url.get_secret_value():
        smtp_url = settings.smtp_url.get_secret_value()
        found["smtp"] = Smtp(smtp_url, settings.email_from, timeout_s=settings.provider_timeout_s)
    wanted = [name.strip() for name in settings.email_providers.split(",") if name.strip()] or list(found)
    missing = [name for name in wanted if name not in found]
    if missing:
        raise ValueError(f"HELIOGRAPH_EMAIL_PROVIDERS names {', '.join(missing)}, but its settings are missing")
    push: dict[str, PushProvider] = {}
    if settings.fcm_service_account:
        fcm = Fcm(settings.fcm_url, Path(settings.fcm_service_account), http())
        push |= dict.fromkeys(fcm.kinds, fcm)
    vapid = _vapid(settings)
    if vapid:
        allowed = allowed_hosts(settings)
        webpush = WebPush(vapid, guarded_http(settings.provider_timeout_s, allowed), now, allowed)
        push |= dict.fromkeys(webpush.kinds, webpush)
    expo = Expo(settings.expo_url, http(), settings.expo_access_token.get_secret_value()) if settings.expo_url else None
    if expo:
        push |= dict.fromkeys(expo.kinds, expo)
    if settings.apns_key:
        apns = _apns(settings)
        push |= dict.fromkeys(apns.kinds, apns)
    mail = [found[name] for name in wanted]
    return Providers(mail, push, vapid.public_key if vapid else None, (expo,) if expo else ())


def _vapid(settings: Settings) -> Vapid | None:
    key = settings.vapid_private_key.get_secret_value()
    return Vapid(key, settings.vapid_subject) if key else None


def allowed_hosts(settings: Settings) -> frozenset[str]:
    """The `host:port` of Web Push endpoints that need not be public."""
    return frozenset(host.strip().lower() for host in settings.webpush_allow_hosts.split(",") if host.strip())


def _apns(settings: Settings) -> Apns:
    missing = [name for name in ("apns_key_id", "apns_team_id", "apns_topic") if not getattr(settings, name)]
    if missing:
        names = ", ".join(f"HELIOGRAPH_{name.upper()}" for name in missing)
        raise ValueError(f"HELIOGRAPH_APNS_KEY needs {names} beside it")
    timeout_s = settings.provider_timeout_s
    return Apns(
        ApnsPool(settings.apns_url, settings.apns_ca, timeout_s=timeout_s), load_key(Path(settings.apns_key)),
        settings.apns_key_id, settings.apns_team_id, settings.apns_topic, timeout_s=timeout_s,
    )  # fmt: skip
