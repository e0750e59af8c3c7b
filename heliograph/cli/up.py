"""`heliograph up` and `heliograph run`: all roles in one process on the embedded default, or some of a cluster."""

from __future__ import annotations

import secrets
import socket
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final

import msgspec
from rich.console import Console

from heliograph import logs, telemetry, tracing
from heliograph.cli import demo
from heliograph.cli.backends import BundledServers, connect, secrets_of, store_of
from heliograph.cli.banner import show
from heliograph.cli.calling import clean, leave
from heliograph.cli.front import Front
from heliograph.cli.health import Health
from heliograph.cli.layout import Group, environment_of, groups_of, left_here
from heliograph.cli.lifeline import Lifeline
from heliograph.cli.options import Options
from heliograph.cli.pool import Pool
from heliograph.cli.process import Process, command_of
from heliograph.cli.providers import providers_of
from heliograph.cli.roles import HTTP_ROLES, Roles
from heliograph.cli.serving import HealthServer, HttpServer, listen, listen_from
from heliograph.cli.supervisor import Supervisor
from heliograph.core.ports import Store
from heliograph.lab.apns_identity import KEY_ID, TEAM_ID, TOPIC
from heliograph.lab.server import Lab
from heliograph.providers.vapid import new_key_pair
from heliograph.runtime import Service, hangup_event, run_services, stop_on_signals
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
        lab_settings = await _lab_settings(lab, options.folder) if lab else {}
        settings = load(options.config, **lab_settings)
        logs.configure_logging(settings.log_level, settings.log_format)
        groups = groups_of(options, settings)
        servers = BundledServers(options.folder)
        if options.bundled:
            undo.push_async_callback(servers.stop)
        await servers.start(settings) if options.bundled else _require_urls(settings, servers)
        store = store_of(settings.store_url.get_secret_value(), options.folder)
        backends = await connect(store, servers.nats_url, servers.redis_url, settings)
        undo.push_async_callback(backends.close)
        providers = providers_of(settings)
        undo.push_async_callback(providers.close)
        token_secret, key = await secrets_of(settings, store)
        links = await _links(options, settings, store)
        names = left_here(options, groups)
        roles = Roles(names, settings, backends, providers, token_secret, key, links)
        if options.demo and lab:
            roles.handlers += demo.handlers(roles, backends, lab)
        health = Health(names, roles, backends, stop)
        await _observe(settings, health, undo)
        _trace(settings, names, undo)
        supervisor = None
        if groups:
            environments = {
                group.name: environment_of(options, settings, servers, group.account, (token_secret, key), lab_settings)
                for group in groups
            }
            supervisor = _supervisor(options, settings, groups, environments, roles)
        http = _http(options, settings, roles, health, supervisor)
        lifeline = Lifeline(options.tell_fd) if options.tell_fd is not None else None

        async def announce() -> None:
            for part in (http, supervisor):
                if part:
                    await part.listening.wait()
            if lab:
                lab.webhook_url = f"http://127.0.0.1:{options.port}/v1/webhooks/sendgrid"
            _leave_word(options, settings, key, undo)
            if lifeline:
                lifeline.ready()
            else:
                show(console, options, settings, key, lab, time.perf_counter() - started)

        extra: list[Service | None] = [http, supervisor, lifeline]
        await run_services([*roles.services, *(one for one in extra if one)], stop, announce)


def _supervisor(
    options: Options, settings: Settings, groups: Sequence[Group], environments: dict[str, dict[str, str]], roles: Roles
) -> Supervisor:
    def pool(group: Group) -> Pool:
        command = command_of(group.roles, options.config)
        return Pool(
            group.name, lambda listener: Process(command, environments[group.name], listener), doors=group.doors
        )

    pools = {group.name: (pool(group), group.size) for group in groups}
    balanced = any(group.doors for group in groups)
    front = Front(options.folder, f"{settings.host}:{options.port}") if balanced else None
    sizes = roles.autoscaler.sizes if options.autoscale else None
    return Supervisor(options.folder, pools, front, sizes, hangup_event())


def _http(
    options: Options, settings: Settings, roles: Roles, health: Health, supervisor: Supervisor | None
) -> HttpServer | None:
    """The door of this process, behind the load balancer if there is one; None = it has nothing to serve."""
    if options.listen_fd is not None:
        listener = socket.socket(fileno=options.listen_fd)
    elif supervisor and supervisor.balances:
        if supervisor.inner is None:
            return None
        listener = supervisor.inner.socket
    elif options.port is not None:
        listener = listen(settings.host, options.port)
    else:
        return None
    handed = options.listen_fd is not None
    return HttpServer(roles, health, listener, settings, handed=handed)


async def _observe(settings: Settings, health: Health, undo: AsyncExitStack) -> None:
    """Opens this process's own port for metrics and probes."""
    if settings.metrics_port:
        listener = listen_from(settings.host, settings.metrics_port)
        server = HealthServer(health, listener, settings.metrics_token.get_secret_value())
        await server.start()
        undo.push_async_callback(server.stop)
        telemetry.logger("cli").info("observed", action="start", port=listener.getsockname()[1])


def _trace(settings: Settings, roles: Sequence[str], undo: AsyncExitStack) -> None:
    """Starts writing spans, if somebody wants them. Raises `ValueError` without the extra."""
    if not settings.otlp_url:
        return
    try:
        from heliograph.otel import exporting  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise ValueError(f"HELIOGRAPH_OTLP_URL needs `pip install heliograph[otel]` ({error})") from error
    spans = exporting(settings.otlp_url, settings.otlp_ratio, roles)
    tracing.spans = spans
    undo.callback(spans.close)


def _leave_word(options: Options, settings: Settings, key: str, undo: AsyncExitStack) -> None:
    """So that `heliograph status` and `trace` find this system by its data folder."""
    if options.bundled:
        host = "127.0.0.1" if settings.host in ("0.0.0.0", "::") else settings.host  # noqa: S104 - compared, not bound
        leave(options.folder, f"http://{host}:{options.port}", key)
        undo.callback(clean, options.folder)


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
    ca, key = lab.apns.service.identity.write(folder.resolve() / "lab")
    account = folder.resolve() / "lab" / "service-account.json"
    account.write_bytes(msgspec.json.encode(await lab.service_account()))
    return {
        "sendgrid_url": lab.sendgrid_url,
        "sendgrid_api_key": "SG.lab",
        "sendgrid_webhook_key": lab.webhook_public_key,
        "smtp_url": lab.smtp_url,
        "fcm_url": lab.fcm_url,
        "fcm_service_account": str(account),
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
