"""Where a Web Push may go: to the public Internet, whatever spelling somebody finds for our own network."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph.core.subscriptions import (
    Subscription,
    SubscriptionKeys,
    endpoint_flaw,
    is_public,
    origin_of,
    read_subscription,
    subscription_flaws,
)

LAB = frozenset({"127.0.0.1:8090", "localhost:80"})
HTTPS, HOST = "expected an https URL", "its host is not public"


@pytest.mark.parametrize(
    "endpoint",
    [
        "https://fcm.googleapis.com/fcm/send/abc:def",
        "https://updates.push.services.mozilla.com/wpush/v2/x",
        "https://web.push.apple.com/QGu",
        "https://wns2-par02p.notify.windows.com/w/?token=a%3d",
        "https://push.example:8443/1",
        "HTTPS://Push.Example/1",
        "https://8.8.8.8/x",
        "https://[2606:4700::1111]/x",
    ],
)
def test_push_services_are_fine(endpoint: str) -> None:
    """Any public host: a browser may use a service that we never heard of."""
    assert endpoint_flaw(endpoint) is None


@pytest.mark.parametrize(
    ("endpoint", "flaw"),
    [
        ("", HTTPS),
        ("push.example/1", HTTPS),
        ("http://push.example/1", HTTPS),
        ("ftp://push.example/1", HTTPS),
        ("file:///etc/passwd", HTTPS),
        ("https://", HTTPS),
        ("https:///x", HTTPS),
        ("https://push.example:0/x", HTTPS),
        ("https://push.example:99999/x", HTTPS),
        ("https://[::1/x", HTTPS),
        ("https://user@push.example/x", HTTPS),
        ("https://push.example\\@127.0.0.1/", HTTPS),
        ("https://push.example/ x", HTTPS),
        ("https://push.example/\r\nHost: x", HTTPS),
        ("https://pu\u3002sh.example/", HTTPS),
        ("https://localhost/x", HOST),
        ("https://LOCALHOST./x", HOST),
        ("https://a.localhost/x", HOST),
        ("https://printer.local/x", HOST),
        ("https://vault.internal/x", HOST),
        ("https://router.lan/x", HOST),
        ("https://intranet/x", HOST),
        ("https://2130706433/x", HOST),
        ("https://127.1/x", HOST),
        ("https://0x7f.1/x", HOST),
        ("https://0x7f000001/x", HOST),
        ("https://0177.0.0.1/x", HOST),
        ("https://127.0.0.1/x", HOST),
        ("https://169.254.169.254/latest/meta-data", HOST),
        ("https://[::1]/x", HOST),
        ("https://[::ffff:10.0.0.1]/x", HOST),
        ("https://[fe80::1%25eth0]/x", HOST),
        ("https://127.0.0.%31/x", HOST),
        ("https://x.loc%61lhost/x", HOST),
        ("https://[64:ff9b::7f00:1]/x", HOST),
        ("https://[2002:7f00:1::]/x", HOST),
        ("http://127.0.0.1:8091/x", HTTPS),
        ("http://127.0.0.1/x", HTTPS),
        ("gopher://127.0.0.1:8090/x", HTTPS),
    ],
)
def test_everything_else_is_not(endpoint: str, flaw: str) -> None:
    """Also with a lab allowed: only that very host and port."""
    assert endpoint_flaw(endpoint) == endpoint_flaw(endpoint, LAB) == flaw


@pytest.mark.parametrize(
    "endpoint", ["http://127.0.0.1:8090/webpush/push/1", "http://LOCALHOST/1", "https://localhost:80"]
)
def test_a_lab_may_be_private_and_without_tls(endpoint: str) -> None:
    """Whoever runs this installation has named it."""
    assert endpoint_flaw(endpoint)
    assert endpoint_flaw(endpoint, LAB) is None


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0", "0.1.2.3", "10.1.2.3", "100.64.0.1", "127.0.0.1", "127.255.255.255", "169.254.169.254", "172.16.0.1",
        "172.31.255.255", "192.0.0.1", "192.0.2.1", "192.168.1.1", "198.18.0.1", "198.19.255.255", "198.51.100.1",
        "203.0.113.1", "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255", "::", "::1", "::127.0.0.1",
        "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::1", "2001::1", "2002:7f00:1::",
        "2001:db8::1", "5f00::1", "fc00::1", "fd12::1", "fe80::1", "fec0::1", "ff02::1", "localhost", "", "1.2.3",
    ],
)  # fmt: skip
def test_private_addresses(address: str) -> None:
    """Private, loopback, link-local, shared, reserved, multicast, and IPv4 in the disguises of IPv6."""
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "1.1.1.1", "172.32.0.1", "100.63.0.1", "::ffff:8.8.8.8", "2606:4700::1"]
)
def test_public_addresses(address: str) -> None:
    """The rest of the Internet."""
    assert is_public(address)


@given(st.ip_addresses())
def test_no_address_is_public_that_python_calls_private(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    """Our list only adds to it."""
    if is_public(str(address)):
        assert not any((address.is_private, address.is_loopback, address.is_link_local, address.is_multicast))


@pytest.mark.parametrize(
    ("endpoint", "origin"),
    [
        ("https://push.example/a?b=c", "https://push.example"),
        ("HTTPS://Push.Example:443/A", "https://push.example"),
        ("https://push.example:8443/A", "https://push.example:8443"),
        ("http://127.0.0.1:8090/a", "http://127.0.0.1:8090"),
        ("http://localhost:80/a", "http://localhost"),
    ],
)
def test_origins(endpoint: str, origin: str) -> None:
    """Without the port that goes without saying."""
    assert origin_of(endpoint) == origin


def test_every_flaw_has_its_path() -> None:
    """What is missing and what is wrong, all at once."""
    good = {"endpoint": "https://push.example/1", "keys": {"p256dh": "x", "auth": "y"}, "expirationTime": None}
    assert list(subscription_flaws(good)) == []
    paths = {
        "value.endpoint": good | {"endpoint": 5},
        "value.keys.auth": good | {"keys": {"p256dh": "x", "auth": ""}},
        "value.keys.p256dh": good | {"keys": {"p256dh": 5, "auth": "x"}},
    }
    for path, value in paths.items():
        assert [flaw.path for flaw in subscription_flaws(value)] == [path]
    assert [flaw.path for flaw in subscription_flaws({})] == ["value.endpoint", "value.keys.p256dh", "value.keys.auth"]


def test_a_device_value_is_read_or_it_is_none() -> None:
    """Members that we have no use for don't matter."""
    text = '{"endpoint":"https://p.example","expirationTime":null,"keys":{"p256dh":"a","auth":"b"}}'
    assert read_subscription(text) == Subscription("https://p.example", SubscriptionKeys("a", "b"))
    for wrong in ("", "token", "[]", "{}", '{"endpoint":5}', "\ud800"):
        assert read_subscription(wrong) is None
