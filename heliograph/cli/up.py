"""`heliograph up` and `heliograph run`: all roles in one process on the embedded default, or some of a cluster."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from heliograph import telemetry
from heliograph.cli import demo
from heliograph.cli.backends import BundledServers, connect, secrets_of, store_of
from heliograph.cli.banner import show
from heliograph.cli.front import Front
from heliograph.cli.options import Options
from heliograph.cli.roles import HTTP_ROLES, Roles, providers_of
from heliograph.cli.serving import HttpServer, listen
from heliograph.core.ports import Store
from heliograph.lab.apns_identity import KEY_ID, TEAM_ID, TOPIC
from heliograph.lab.server import Lab
from heliograph.providers.vapid import new_key_pair
from heliograph.runtime import Service, run_services, stop_on_signals
from heliograph.settings import Settings, load
from heliograph.unsubscribing import UnsubscribeLinks, unsubscribe_secret

_LAB_RECEIPT_AFTER_S: Final = 5.0
"""The lab's receipts are there at once."""


async def run(options: Options, console: Console) -> None:
    """Until SIGTERM or Ctrl-C. Raises `OSError` for a port that is taken, `ValueError` for settings that don't fit."""
    started = time.perf_counter()
    if options.demo:
        demo.require(options)
    stop = stop_on_signals()
    async with AsyncExitStack() as undo:
        lab = await _lab(options, undo) if options.lab else None
        settings = load(options.config, **(await _lab_settings(lab, options.folder) if lab else {}))
        telemetry.configure_logging(settings.log_level, settings.log_format)
        servers = BundledServers(options.folder)
        if options.bundled:
            undo.push_async_callback(servers.stop)
        await servers.start(settings) if options.bundled else _require_urls(settings, servers)
        store = store_of(settings.store_url.get_secret_value(), options.folder)
        backends = await connect(store, servers.nats_url, servers.redis_url, settings.nats_replicas)
        undo.push_async_callback(backends.close)
        account = await lab.service_account() if lab and not settings.fcm_service_account else None
        providers = providers_of(settings, account)
        undo.push_async_callback(providers.close)
        token_secret, key = await secrets_of(settings, store)
        names = [name for name in options.roles if not (options.api and name in ("api", "webhooks"))]
        links = await _links(options, settings, store)
        roles = Roles(names, settings, backends, providers, token_secret, key, links)
        if options.demo and lab:
            roles.handlers += demo.handlers(roles, backends, lab)
        services: list[Service] = list(roles.services)
        front = None
        if options.api:
            front = Front(options, settings, servers, token_secret, key)
            services.append(front)
        http = None
        if options.port is not None:
            port = front.inner_port if front else options.port
            http = HttpServer(roles, backends, listen(settings.host, port), settings.cors_origins)
            services.append(http)

        async def announce() -> None:
            if http:
                await http.listening.wait()
            if front:
                await front.listening.wait()
            if lab:
                lab.webhook_url = f"http://127.0.0.1:{options.port}/v1/webhooks/sendgrid"
            show(console, options, settings, key, lab, time.perf_counter() - started)

        await run_services(services, stop, announce)


async def _links(options: Options, settings: Settings, store: Store) -> UnsubscribeLinks:
    """Unsubscribe links lead to the public URL, else to the port that this process itself listens on."""
    own = f"http://{settings.host}:{options.port}" if options.port is not None else ""
    base = settings.public_url or own
    if not base and "email-worker" in options.roles:
        telemetry.logger("cli").warning(
            "no_public_url", action="start", hint="marketing mails carry no unsubscribe link: set HELIOGRAPH_PUBLIC_URL"
        )
    return UnsubscribeLinks(await unsubscribe_secret(store, secrets.token_urlsafe(32)), base)


async def _lab(options: Options, undo: AsyncExitStack) -> Lab:
    lab = Lab()
    await lab.start(options.lab_port)
    undo.push_async_callback(lab.stop)
    return lab


async def _lab_settings(lab: Lab, folder: Path) -> dict[str, Any]:
    """Points every provider at the lab. What must be a file goes into the data folder, for as long as the lab lives."""
    ca, key = lab.apns.service.identity.write(folder / "lab")
    return {
        "sendgrid_url": lab.sendgrid_url,
        "sendgrid_api_key": "SG.lab",
        "sendgrid_webhook_key": lab.webhook_public_key,
        "smtp_url": lab.smtp_url,
        "fcm_url": lab.fcm_url,
        "vapid_private_key": new_key_pair().private,
        "vapid_subject": "mailto:lab@heliograph.local",
        "webpush_allow_hosts": lab.webpush_hosts,
        "expo_url": lab.expo_url,
        "expo_receipt_after_s": _LAB_RECEIPT_AFTER_S,
        "apns_url": lab.apns_url,
        "apns_ca": str(ca),
        "apns_key": str(key),
        "apns_key_id": KEY_ID,
        "apns_team_id": TEAM_ID,
        "apns_topic": TOPIC,
    }


def _require_urls(settings: Settings, servers: BundledServers) -> None:
    """Roles of a cluster share their servers: bundled ones would be nobody else's."""
    servers.nats_url = settings.nats_url.get_secret_value()
    servers.redis_url = settings.redis_url.get_secret_value()
    missing = [
        name
        for name, url in (
            ("HELIOGRAPH_STORE_URL", settings.store_url.get_secret_value()),
            ("HELIOGRAPH_NATS_URL", servers.nats_url),
            ("HELIOGRAPH_REDIS_URL", servers.redis_url),
        )
        if not url
    ]
    if missing:
        raise ValueError(f"`heliograph run` needs {', '.join(missing)}; `heliograph up` starts its own servers")


def needs_http(roles: Sequence[str]) -> bool:
    return any(role in HTTP_ROLES for role in roles)


async def run_lab(port: int, console: Console) -> None:
    """The provider lab alone."""
    stop = stop_on_signals()
    lab = Lab()
    await lab.start(port)
    console.print(f"Provider lab: {lab.base_url}/lab (SMTP on {lab.smtp_port}, APNs on {lab.apns_port})")
    try:
        await stop.wait()
    finally:
        await lab.stop()
