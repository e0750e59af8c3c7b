"""NATS over TLS: an authority of one's own is trusted, a stranger's is not, and a server may ask who we are."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trustme

from heliograph.backends.jetstream.link import NatsLink
from heliograph.backends.servers import die_with
from heliograph.backends.servers.bundled import _free_ports, _nats_binary
from heliograph.cli.backends import nats_tls
from heliograph.settings import load
from tests.support.eventually import eventually


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
async def url(tmp_path: Path, authority: trustme.CA) -> AsyncIterator[str]:
    """A server that speaks TLS only and asks for a certificate of the same authority."""
    (port,) = _free_ports(1)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    mine, ours = authority.issue_cert("127.0.0.1"), authority.issue_cert("heliograph.example")
    for name, issued in (("server", mine), ("client", ours)):
        issued.private_key_pem.write_to_path(str(tmp_path / f"{name}.key"))
        issued.cert_chain_pems[0].write_to_path(str(tmp_path / f"{name}.pem"))
    (tmp_path / "nats.conf").write_text(
        f'listen: "127.0.0.1:{port}"\n'
        f'tls {{ cert_file: "{tmp_path}/server.pem", key_file: "{tmp_path}/server.key", ca_file: "{tmp_path}/ca.pem", '
        "verify: true }\n"
    )
    process = await asyncio.create_subprocess_exec(
        str(_nats_binary()), "--config", str(tmp_path / "nats.conf"), stderr=asyncio.subprocess.DEVNULL,
        preexec_fn=die_with(os.getpid(), signal.SIGKILL),
    )  # fmt: skip

    async def listens() -> bool:
        """the server is up"""
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            return False
        writer.close()
        return True

    await eventually(listens)
    yield f"tls://127.0.0.1:{port}"
    process.terminate()
    await process.wait()


async def comes_up(url: str, **settings: str) -> bool:
    link = NatsLink(url, tls=nats_tls(load(**settings)))
    await link.open()  # waits two seconds at most
    try:
        return link.is_up
    finally:
        await link.close()


async def test_tls_with_files_of_ones_own(url: str, tmp_path: Path) -> None:
    """Authority and certificate: connected. Without either: not."""
    ca = {"nats_ca": str(tmp_path / "ca.pem")}
    pair = {"nats_cert": str(tmp_path / "client.pem"), "nats_key": str(tmp_path / "client.key")}
    assert await comes_up(url, **ca, **pair)
    assert not await comes_up(url, **pair)
    assert not await comes_up(url, **ca)


def test_files_that_do_not_fit(tmp_path: Path) -> None:
    """Said at the start, not when the first connection fails."""
    assert nats_tls(load()) is None
    with pytest.raises(ValueError, match="go together"):
        nats_tls(load(nats_cert="x"))
    with pytest.raises(OSError, match="No such file"):
        nats_tls(load(nats_ca=str(tmp_path / "missing.pem")))
