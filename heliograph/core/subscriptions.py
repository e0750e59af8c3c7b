"""A Web Push subscription: what may be one, and where a push may go. Pure.

Subscriptions come from browsers, that is from anybody, so an endpoint must never lead a push into our own network
(OWASP "Server Side Request Forgery Prevention"; the ranges are those of Svix' webhook client). Names are resolved in
`providers/http.py`, which asks `is_public` about every address it is going to connect to.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

import msgspec

from heliograph.core.errors import Flaw

_PORTS: Final = {"https": 443, "http": 80}
_CHARACTERS: Final = re.compile(r"[!-\[\]-~]+")
"""Visible ASCII without the backslash, which some readers of URLs take for a slash."""
_PRIVATE_NAMES: Final = ("localhost", "local", "localdomain", "internal", "intranet", "lan", "home.arpa")
_NUMBER: Final = re.compile(r"\d+|0x[0-9a-f]*")
_NOT_PUBLIC: Final = tuple(
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
        "192.168.0.0/16", "198.18.0.0/15", "224.0.0.0/3",
        "::/96",  # loopback, unspecified, and IPv4 in its oldest disguise
        "64:ff9b::/96", "64:ff9b:1::/48", "2001::/32", "2002::/16",  # NAT64, Teredo, 6to4: an IPv4 address inside
        "5f00::/16", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8",
    )
)  # fmt: skip


NOT_PUBLIC: Final = "its host is not public"
_HOST: Final = re.compile(r"[a-z0-9._-]+|[0-9a-f:.]+")
"""A name or an address in plain letters: no zone, and nothing percent-encoded, which a reader could decode further."""


class SubscriptionKeys(msgspec.Struct, frozen=True):
    """Base64url: the browser's P-256 point (65 bytes) and its authentication secret (16 bytes)."""

    p256dh: str
    auth: str


class Subscription(msgspec.Struct, frozen=True):
    """What `PushSubscription.toJSON()` gives; other members (`expirationTime`) are of no use to us."""

    endpoint: str
    keys: SubscriptionKeys


_decoder: Final = msgspec.json.Decoder(Subscription)


def read_subscription(text: str) -> Subscription | None:
    """The subscription in a device's value; None when it is none."""
    try:
        return _decoder.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError):
        return None


def subscription_flaws(value: dict[str, Any], allowed_hosts: AbstractSet[str] = frozenset()) -> Iterator[Flaw]:
    """Why a device's `value` can't be a subscription that pushes may go to.

    Args:
        allowed_hosts: `host:port` that may be spoken to although they are private and without TLS: a provider lab.
    """
    endpoint, keys = value.get("endpoint"), value.get("keys")
    if (
        flaw := endpoint_flaw(endpoint, allowed_hosts)
        if isinstance(endpoint, str)
        else "expected the push service's URL"
    ):
        yield Flaw("value.endpoint", flaw)
    for name in ("p256dh", "auth"):
        if not (isinstance(keys, dict) and isinstance(keys.get(name), str) and keys[name]):
            yield Flaw(f"value.keys.{name}", "expected base64url text")


def endpoint_flaw(endpoint: str, allowed_hosts: AbstractSet[str] = frozenset()) -> str | None:
    """Why no push may go to this URL; None = one may, if its name leads to a public address."""
    url = _parsed(endpoint)
    if url is None or url.scheme not in _PORTS or not url.hostname:
        return "expected an https URL"
    if f"{url.hostname}:{url.port or _PORTS[url.scheme]}" in allowed_hosts:
        return None
    if url.scheme != "https":
        return "expected an https URL"
    return None if _may_be_public(url.hostname) else NOT_PUBLIC


def origin_of(endpoint: str) -> str:
    """Scheme, host and any port but the usual one, as VAPID wants its audience (RFC 8292 section 2, RFC 6454
    section 6.1). Only for endpoints without a flaw."""
    url = urlsplit(endpoint.lower())
    host = url.netloc.removesuffix(f":{_PORTS[url.scheme]}")
    return f"{url.scheme}://{host}"


def is_public(address: str) -> bool:
    """Whether an IP address is one of the public Internet. Text that is no address is not."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped:
        found = found.ipv4_mapped
    inside = any(found.version == network.version and found in network for network in _NOT_PUBLIC)
    return not inside and found.is_global


def _parsed(endpoint: str) -> SplitResult | None:
    """None for what isn't a URL, or is one that different readers could read differently."""
    try:
        url = urlsplit(endpoint) if _CHARACTERS.fullmatch(endpoint) else None
        return url if url and "@" not in url.netloc and url.port != 0 else None
    except ValueError:
        return None


def _may_be_public(host: str) -> bool:
    if not _HOST.fullmatch(host):
        return False
    if ":" in host or host.replace(".", "").isdigit():
        return is_public(host)
    labels = host.rstrip(".").split(".")
    if len(labels) < 2 or _NUMBER.fullmatch(labels[-1]):
        return False  # a name of the local network, or an IPv4 address in one of its other spellings
    name = "." + ".".join(labels)
    return not any(name.endswith(f".{private}") for private in _PRIVATE_NAMES)
