"""APNs' provider token: never old, never changed too soon, the same for all who share a key."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import example, given, settings
from hypothesis import strategies as st

from heliograph.providers.apns_token import LEAST_S, ROTATE_S, ProviderToken, load_key
from tests.unit.given import FakeClock

SETTINGS = settings(max_examples=300, deadline=None, database=None)
HOUR_S = 3600
START_S = 1_800_000_300
KEY = ec.generate_private_key(ec.SECP256R1())


def pem(key: Any = KEY) -> bytes:
    return bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


class Maker:
    """A token and its clock."""

    def __init__(self, at_s: int = START_S) -> None:
        self.clock = FakeClock(at_s * 1000)
        self.token = ProviderToken(pem(), "KEY4567890", "TEAM567890", self.clock)

    @property
    def now_s(self) -> int:
        return self.clock.now // 1000


def read(token: str) -> dict[str, Any]:
    claims = jwt.decode(token, KEY.public_key(), algorithms=["ES256"], options={"verify_iat": False})
    return dict(claims)


def test_it_is_what_apple_wants() -> None:
    """ES256, the key's id in the header, team and moment of issue as claims, and nothing else."""
    maker = Maker()
    token = maker.token.current()
    assert jwt.get_unverified_header(token) == {"alg": "ES256", "kid": "KEY4567890", "typ": "JWT"}
    claims = read(token)
    assert (set(claims), claims["iss"]) == ({"iss", "iat"}, "TEAM567890")
    assert 60 <= maker.now_s - claims["iat"] < HOUR_S


def test_one_token_for_everybody() -> None:
    """A thousand pushes, a second process and a restarted one show the same."""
    maker, other = Maker(), Maker()
    other.clock.forward(5)
    assert len({maker.token.current() for _ in range(1000)} | {other.token.current()}) == 1


@SETTINGS
@example(1101, [4000, 1199])
@given(st.integers(0, 2 * ROTATE_S), st.lists(st.integers(1, 4000), max_size=60))
def test_never_old_and_never_changed_too_soon(offset_s: int, steps: list[int]) -> None:
    """Whenever a process starts and however it is used: at most an hour old, shown for at least twenty minutes."""
    maker = Maker(START_S + offset_s)
    shown, since_s = maker.token.current(), maker.now_s
    for step in steps:
        maker.clock.forward(step)
        token = maker.token.current()
        if token != shown:
            assert maker.now_s - since_s >= LEAST_S
            shown, since_s = token, maker.now_s
        assert 0 < maker.now_s - read(token)["iat"] < HOUR_S


def test_it_rotates_at_fifty_minutes() -> None:
    """Watched by the second over four hours: four or five tokens, each of the regular ones for fifty minutes."""
    maker = Maker()
    changes: list[int] = []
    shown = maker.token.current()
    for _ in range(4 * HOUR_S):
        maker.clock.forward(1)
        token = maker.token.current()
        if token != shown:
            changes.append(maker.now_s)
            shown = token
    assert len(changes) in (4, 5)
    assert {later - earlier for earlier, later in pairwise(changes[1:])} == {ROTATE_S}


def test_a_refused_token_is_replaced_once_it_is_old_enough() -> None:
    """APNs' clock is not ours: a fresh one, but never sooner than twenty minutes after the last."""
    maker = Maker()
    first = maker.token.current()
    assert maker.token.renewed(first) is None
    maker.clock.forward(LEAST_S)
    first = maker.token.current()
    maker.clock.forward(LEAST_S)
    second = maker.token.renewed(first)
    assert second not in (None, first)
    assert read(str(second))["iat"] == maker.now_s
    assert maker.token.current() == second
    assert maker.token.renewed(str(second)) is None
    maker.clock.forward(ROTATE_S)
    assert maker.token.current() != second


def test_a_crowd_of_refusals_makes_one_token() -> None:
    """Single flight: who was refused with the old one gets the new one that is there already."""
    maker = Maker()
    maker.token.current()
    maker.clock.forward(LEAST_S)
    old = maker.token.current()
    maker.clock.forward(LEAST_S)
    assert len({maker.token.renewed(old) for _ in range(500)}) == 1


def test_a_clock_that_was_set_back_makes_a_new_one() -> None:
    """A token from the future would be refused for as long as the clock was wrong."""
    maker = Maker()
    maker.token.current()
    maker.clock.forward(-86_400)
    assert read(maker.token.current())["iat"] < maker.now_s


@pytest.mark.parametrize(
    "key", [b"", b"nonsense", pem(rsa.generate_private_key(65537, 2048)), pem(ec.generate_private_key(ec.SECP384R1()))]
)
def test_a_key_that_is_none_of_apples(key: bytes) -> None:
    """Said at start-up, in one sentence, without the key."""
    with pytest.raises(ValueError, match="the APNs key"):
        ProviderToken(key, "K", "T", FakeClock())


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """The path stands in the sentence."""
    with pytest.raises(ValueError, match=r"nowhere\.p8"):
        load_key(tmp_path / "nowhere.p8")
