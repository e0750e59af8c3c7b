"""How log lines are written: structured, to standard error, one line per happening.

Lines carry `action` (a verb) and, where there is one, `notification` with its `trace_id`; secrets and message texts are
never logged: every line is looked at. What the log calls a `bug` is counted as well, so that an alert can tell.
"""

from __future__ import annotations

import logging
import sys
from typing import Final, TextIO, cast

import structlog

from heliograph import telemetry, tracing
from heliograph.core.masking import masked, one_line


class _StandardError:
    """Whatever `sys.stderr` is when a line is written: loggers are kept for as long as the process lives, and who
    embeds us, or captures what a test writes, may have put another stream there by then."""

    def write(self, text: str) -> int:
        return sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()


_OUT: Final = cast("TextIO", _StandardError())


def count_bugs(_: object, __: str, line: structlog.typing.EventDict) -> structlog.typing.EventDict:
    if line.get("event") == "bug":
        telemetry.invariant_violations_total.inc()
    return line


def without_secrets(_: object, __: str, line: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Every text of a line masked, and on one line, but for a traceback."""
    for name, value in line.items():
        if isinstance(value, str):
            line[name] = masked(value) if name == "exception" else one_line(masked(value))
        elif isinstance(value, BaseException | list | tuple | dict):
            line[name] = one_line(masked(repr(value)))
    return line


def configure_logging(level: str, style: str) -> None:
    """Sets up structlog and routes the standard library's loggers through it. `style`: auto, json or text."""
    readable = style == "text" or (style == "auto" and sys.stderr.isatty())
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        count_bugs,
        tracing.add_trace_id,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        without_secrets,
    ]
    renderer = (
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
        if readable
        else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(file=_OUT),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(_OUT)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(processors=[
        structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer], foreign_pre_chain=shared))  # fmt: skip
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for chatty in ("nats", "pymongo", "uvicorn.access", "uvicorn.error", "aiohttp.access", "mail.log", "picows"):
        logging.getLogger(chatty).setLevel("WARNING")
