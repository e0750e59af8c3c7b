"""SMTP: what a reply means. Pure: reads the phase, the code and the text, answers with an outcome.

The enhanced code (RFC 3463) tells more than the basic one, so it is asked first, except for the replies that concern
our login. What no row names follows its class: 4yz transient, 5yz permanent (RFC 5321 section 4.2.1).
"""

from __future__ import annotations

import re
from typing import Final, Literal

from heliograph.core.outcomes import Misconfigured, ProviderOutcome, Rejected, Throttled, Unavailable

Phase = Literal["connect", "login", "sender", "recipient", "data", "content"]
"""The command that was answered; `data` = DATA itself, `content` = the final dot."""
Action = Literal["bad_address", "rejected", "misconfigured", "throttled", "unavailable"]

LOGIN: Final[dict[int, Action]] = {
    530: "misconfigured",
    534: "misconfigured",
    535: "misconfigured",
    538: "misconfigured",
    454: "unavailable",
}
"""Replies about credentials (RFC 4954 section 6): nothing is wrong with the mail."""

ENHANCED: Final[dict[str, Action]] = {
    "5.1.1": "bad_address",
    "5.1.2": "bad_address",
    "5.1.3": "bad_address",
    "5.1.6": "bad_address",
    "5.1.10": "bad_address",
    "5.2.1": "bad_address",
    "4.2.2": "unavailable",  # mailbox full
    "5.2.2": "unavailable",  # the same from servers that call it permanent: it may be emptied
    "5.3.4": "rejected",  # too big
}
ENHANCED_SUBJECT: Final[dict[str, Action]] = {
    "4.7": "throttled",
    "5.7": "rejected",  # policy, or something about the sender: the recipient's address is none the worse
    "4.4": "unavailable",  # routing
    "5.4": "rejected",
}
BASIC: Final[dict[int, Action]] = {
    421: "throttled",
    450: "throttled",
    451: "throttled",
    552: "rejected",
}
_ENHANCED_CODE: Final = re.compile(r"\s*([245]\.\d{1,3}\.\d{1,3})(?!\S)")


def enhanced_code(text: str) -> str:
    """The enhanced status code at the beginning of a reply's text; empty if it has none."""
    found = _ENHANCED_CODE.match(text)
    return found[1] if found else ""


def outcome_of(phase: Phase, code: int, text: str) -> ProviderOutcome:
    """What a refusal means."""
    enhanced = enhanced_code(text)
    cause = f"smtp {code} {enhanced}".rstrip() if code > 0 else "smtp: not an SMTP reply"
    match _action(phase, code, enhanced):
        case "bad_address":
            return Rejected(cause, bad_address=True)
        case "rejected":
            return Rejected(cause)
        case "misconfigured":
            return Misconfigured(cause)
        case "throttled":
            return Throttled(cause, alone=_alone(phase, code, enhanced))
        case "unavailable":
            return Unavailable(cause, alone=_alone(phase, code, enhanced))


def _alone(phase: Phase, code: int, enhanced: str) -> bool:
    """Whether a transient reply is about this mail's recipient (greylisting, a full mailbox) and not about the relay.

    421 closes the connection, whatever was asked (RFC 5321 section 3.8); x.3.y is the mail system's own state. After
    the recipients were taken, only x.1.y and x.2.y still speak of them (RFC 3463).
    """
    subject = enhanced[2:4]
    if phase in ("data", "content"):
        return code != 421 and subject in ("1.", "2.")
    return phase == "recipient" and code != 421 and subject != "3."


def _action(phase: Phase, code: int, enhanced: str) -> Action:
    action = LOGIN.get(code) or _by_enhanced(code, enhanced) or BASIC.get(code) or _by_class(code)
    if phase in ("connect", "login", "sender") and action in ("bad_address", "rejected") and enhanced != "5.3.4":
        return "misconfigured"  # the relay won't talk to us, or not for this sender; no mail is to blame
    return action


def _by_enhanced(code: int, enhanced: str) -> Action | None:
    if enhanced[:1] != str(code)[:1]:  # the class digits agree, or the text only looks like a code
        return None
    return ENHANCED.get(enhanced) or ENHANCED_SUBJECT.get(enhanced.rpartition(".")[0])


def _by_class(code: int) -> Action:
    return "rejected" if code // 100 == 5 else "unavailable"
