"""Secrets and forged lines never reach a log or a settings dump, whichever way they come in."""

from __future__ import annotations

import io
import json
import logging
import secrets
from collections.abc import Iterator

import jwt
import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from heliograph import logs
from heliograph.access import new_secret
from heliograph.core.masking import masked, one_line
from heliograph.settings import load

SECRET = secrets.token_urlsafe(24)
TEXTS = {
    "server key": (key := new_secret(), key[10:]),
    "user token": (token := jwt.encode({"sub": "anna"}, SECRET * 2, "HS256"), token.rpartition(".")[2]),
    "NATS URL": (f"nats://api:{SECRET}@127.0.0.1:4222,nats://api:{SECRET}@b:4222", SECRET),
    "Redis URL": (f"rediss://:{SECRET}@cache:6379/0", SECRET),
    "MongoDB URL": (f"mongodb+srv://us%40er:{SECRET}@db.example/x?tls=true", SECRET),
    "SMTP URL": (f"smtp://mailer:{SECRET}@relay:587", SECRET),
    "header": (f"Authorization: Bearer {SECRET}", SECRET),
    "login": (f"Authorization: Basic {SECRET}==", SECRET),
    "SendGrid key": (f"SG.{SECRET}.{SECRET}", SECRET),
    "webhook secret": (f"whsec_{SECRET}=", SECRET),
    "private key": (f"-----BEGIN PRIVATE KEY-----\n{SECRET}\n-----END PRIVATE KEY-----", SECRET),
}


@pytest.fixture(params=["json", "text"])
def style(request: pytest.FixtureRequest) -> Iterator[str]:
    """Logging as the program has it; afterwards as it was."""
    root, had = logging.getLogger(), logging.getLogger().handlers[:]
    level = root.level
    yield str(request.param)
    structlog.reset_defaults()
    root.handlers[:] = had
    root.setLevel(level)


def fail(text: str) -> None:
    raise ConnectionError(text)


@pytest.mark.parametrize("name", TEXTS)
def test_no_line_of_the_log_has_a_secret(name: str, style: str, capsys: pytest.CaptureFixture[str]) -> None:
    """As a value, inside a value, in an error and its traceback, by our loggers and by those of libraries."""
    text, secret = TEXTS[name]
    logs.configure_logging("debug", style)
    log = structlog.get_logger()
    log.info("happened", value=text, inside=f"could not reach {text}: refused", listed=[text], error=ValueError(text))
    try:
        fail(text)
    except ConnectionError:
        log.exception("failed")
        logging.getLogger("library").exception("failed with %s", text)
    written = capsys.readouterr().err
    assert written.count("happened") == 1
    assert "ConnectionError" in written
    assert secret not in written


def test_no_value_forges_a_line(style: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Line breaks and terminal sequences in what comes from outside are spelled out."""
    logs.configure_logging("debug", style)
    structlog.get_logger().info("asked", path='x\r\n{"event":"forged"}\x1b[31m\u2028')
    logging.getLogger("library").warning("got %s", "x\nforged 2\x1b[31m")
    written = capsys.readouterr().err.splitlines()
    assert len(written) == 2
    assert not any(line.startswith(("forged", '{"event":"forged"')) for line in written)
    assert not any("\x1b[31mx" in line or "x\x1b[31m" in line for line in written)
    if style == "json":
        assert [json.loads(line)["level"] for line in written] == ["info", "warning"]


def test_a_line_goes_to_the_standard_error_of_the_moment(style: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A logger is kept for as long as the process lives; the stream of its first line may be closed by then."""
    first, second = io.StringIO(), io.StringIO()
    monkeypatch.setattr("sys.stderr", first)
    logs.configure_logging("debug", style)
    log = structlog.get_logger("kept")
    log.warning("one")
    first.close()
    monkeypatch.setattr("sys.stderr", second)
    log.warning("two")
    logging.getLogger("library").warning("three")
    assert [word in second.getvalue() for word in ("two", "three")] == [True, True]


@given(st.text())
def test_a_line_is_one_line(text: str) -> None:
    """Whatever it is."""
    assert len(one_line(text).splitlines()) <= 1


@pytest.mark.parametrize(
    "text",
    ["https://shop.example/a@b:c", "12:30@home", "Basic research", "see hg_sk_abcd", "eyJ", "a://b@c", "SG.", ""],
)
def test_what_is_no_secret_stays(text: str) -> None:
    """A mask that hides too much makes logs useless."""
    assert masked(text) == text


def test_settings_that_hold_a_password_in_a_url_are_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also those that are no secret by themselves."""
    monkeypatch.setenv("HELIOGRAPH_SENDGRID_URL", f"https://proxy:{SECRET}@gate.example")
    assert load().shown()["sendgrid_url"] == "https://proxy:…@gate.example"
