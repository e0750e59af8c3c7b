"""When to stop calling a provider that is down, and when to look whether it is back. Pure: state in, state out.

Each process watches its own calls (`Window`); what it concludes (`Breaker`) is shared. An open breaker lets single
probes through, ever further apart; the first that is answered closes it. See docs/operations.md, "Breakers".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from heliograph.core.model import Millis

SILENT: Final = "no answers"
"""The cause when calls pile up unanswered: known before their time-outs are over."""
_PATIENT: Final = 32
"""As if so many probes had failed: wrong credentials don't heal by themselves within seconds."""


class BreakerRules(msgspec.Struct, frozen=True):
    """When it opens, and how it looks for the end.

    Attributes:
        failures: at least so many failed calls open it: in a row, or `share` of all calls of the last `window_s`.
        silent_s: and so many that are under way, when nothing at all was answered for so long.
        first_probe_s: the first probe after opening; doubles with each.
        longest_probe_s: but probes are never further apart.
    """

    failures: int = 5
    share: float = 0.5
    window_s: float = 4.0
    silent_s: float = 4.0
    first_probe_s: float = 1.0
    longest_probe_s: float = 30.0


class Window(msgspec.Struct, frozen=True, array_like=True):
    """What one process saw of late: answers and failures of this half window and the one before."""

    started: Millis = 0
    answered: int = 0
    failed: int = 0
    answered_before: int = 0
    failed_before: int = 0
    in_a_row: int = 0


class Breaker(msgspec.Struct, frozen=True, array_like=True):
    """Closed while there is no `cause`. `probe_at`: when the next call may go through."""

    cause: str = ""
    opened_at: Millis = 0
    probe_at: Millis = 0
    probes: int = 0

    @property
    def is_open(self) -> bool:
        return self.cause != ""


CLOSED: Final = Breaker()


def seen(window: Window, rules: BreakerRules, answered: bool, now: Millis) -> tuple[Window, bool]:
    """Notes one call that ended; True = the breaker has to open."""
    window = _turned(window, rules, now)
    if answered:
        return msgspec.structs.replace(window, answered=window.answered + 1, in_a_row=0), False
    window = msgspec.structs.replace(window, failed=window.failed + 1, in_a_row=window.in_a_row + 1)
    failed = window.failed + window.failed_before
    calls = failed + window.answered + window.answered_before
    many = failed >= rules.failures and failed >= rules.share * calls
    return window, many or window.in_a_row >= rules.failures


def _turned(window: Window, rules: BreakerRules, now: Millis) -> Window:
    half_ms = rules.window_s * 500
    if now - window.started < half_ms:
        return window
    if now - window.started < 2 * half_ms:
        return Window(now, 0, 0, window.answered, window.failed, window.in_a_row)
    return Window(now, in_a_row=window.in_a_row)


def fell_silent(begun: Sequence[Millis], answered_at: Millis, rules: BreakerRules, now: Millis) -> bool:
    """Whether calls pile up. `begun`: the oldest that are under way, oldest first; `answered_at`: the last answer."""
    long_ago = now - rules.silent_s * 1000
    return len(begun) >= rules.failures and begun[rules.failures - 1] <= long_ago and answered_at <= long_ago


def opened(breaker: Breaker, rules: BreakerRules, cause: str, begun_at: Millis, now: Millis, patient: bool) -> Breaker:
    """After a failure that opens it. An open one only learns a new cause, from calls that began after it opened.

    `patient` = it won't be over in seconds: the first probe comes late.
    """
    if breaker.is_open and (begun_at < breaker.opened_at or cause == breaker.cause):
        return breaker
    if breaker.is_open and not patient:
        return msgspec.structs.replace(breaker, cause=cause)
    probes = _PATIENT if patient else 0
    opened_at = breaker.opened_at if breaker.is_open else now
    return Breaker(cause, opened_at, now + _spacing_ms(rules, probes), probes)


def probed(breaker: Breaker, rules: BreakerRules, now: Millis) -> Breaker | None:
    """Lets one call through an open breaker; None = not yet."""
    if now < breaker.probe_at:
        return None
    probes = min(breaker.probes + 1, _PATIENT)
    return msgspec.structs.replace(breaker, probe_at=now + _spacing_ms(rules, probes), probes=probes)


def healed(breaker: Breaker, begun_at: Millis) -> bool:
    """Whether an answer to a call closes it: not one that was on its way when it opened, unless silence opened it."""
    return breaker.is_open and (begun_at >= breaker.opened_at or breaker.cause == SILENT)


def _spacing_ms(rules: BreakerRules, probes: int) -> Millis:
    return round(1000 * min(rules.longest_probe_s, rules.first_probe_s * 2.0**probes))
