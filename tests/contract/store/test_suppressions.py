"""Contract of the store: addresses that must not be written to, and settings of the installation read together."""

from __future__ import annotations

from heliograph.core.model import Key, User
from heliograph.core.ports import Store
from heliograph.core.suppressing import REASONS, Reason, Suppression, SuppressionQuery
from tests.contract.store.examples import AWKWARD, NOW, TENANT, key


def suppression(address: str, reason: Reason = "manual", at: int = NOW, tenant: str = TENANT) -> Suppression:
    return Suppression(tenant, address, reason, at)


async def test_suppressed_addresses(store: Store, rival: Store) -> None:
    """Per tenant, whatever the case; every reason, the strongest first."""
    await store.suppress([suppression("Anna@X.example", "unsubscribe"), suppression("anna@x.EXAMPLE", "hard_bounce")])
    await store.suppress([suppression("ben@x.example", "complaint", tenant="zoo")])
    asked = [key("ben@x.example"), key("ANNA@x.example"), Key("zoo", "anna@x.example"), Key("zoo", "BEN@x.example")]
    assert list(await rival.suppressed(asked)) == [(), ("hard_bounce", "unsubscribe"), (), ("complaint",)]


async def test_the_first_time_of_a_reason_stands(store: Store, rival: Store) -> None:
    """Repeats within one call or later change nothing."""
    await store.suppress([suppression("a@x", at=NOW), suppression("A@X", at=NOW + 1)])
    await rival.suppress([suppression("a@x", at=NOW + 2)])
    await store.suppress([])
    assert list(await store.suppressions(SuppressionQuery(tenant=TENANT, limit=9))) == [suppression("a@x")]


async def test_taking_away(store: Store, rival: Store) -> None:
    """One reason or all; what was not there is False; another tenant's stays."""
    for reason in REASONS:
        await store.suppress([suppression("a@x", reason), suppression("a@x", reason, tenant="zoo")])
    assert await store.unsuppress(key("A@X"), "hard_bounce")
    assert not await rival.unsuppress(key("a@x"), "hard_bounce")
    assert list(await rival.suppressed([key("a@x")])) == [("complaint", "manual", "unsubscribe")]
    assert await rival.unsuppress(key("a@X"))
    assert not await store.unsuppress(key("a@x"))
    assert list(await store.suppressed([key("a@x"), Key("zoo", "a@x")])) == [(), REASONS]


async def test_pages(store: Store) -> None:
    """In the order of address and reason, of all reasons or one; each page goes on where the last one ended."""
    wanted = sorted(suppression(f"{name}@x", reason) for name in "cab" for reason in REASONS)
    await store.suppress(wanted[::-1])
    await store.suppress([suppression("b@x", tenant="zoo")])
    for reason in (None, "manual"):
        expected = [one for one in wanted if reason in (None, one.reason)]
        for limit in (1, 2, 5, 50):
            got: list[Suppression] = []
            while page := await store.suppressions(SuppressionQuery(
                tenant=TENANT, limit=limit, reason=reason,
                after=(got[-1].address, got[-1].reason) if got else ("", ""),
            )):  # fmt: skip
                assert len(page) <= limit
                got += page
            assert got == expected


async def test_who_has_an_address(store: Store, rival: Store) -> None:
    """The tenants with a user of that address, each once, whatever the case; a change of address counts at once."""
    await store.put_user(User("zoo", "anna", email="Anna@X.example"))
    await store.put_user(User(TENANT, "a1", email="anna@x.example"))
    await store.put_user(User(TENANT, "a2", email="ANNA@x.example"))
    await store.put_user(User(TENANT, "none"))
    asked = ["nobody@x.example", "anna@X.EXAMPLE"]
    assert list(await rival.tenants_of(asked)) == [(), (TENANT, "zoo")]
    await rival.put_user(User("zoo", "anna", email="other@x.example"))
    assert list(await store.tenants_of(asked)) == [(), (TENANT,)]
    assert list(await store.tenants_of([])) == []


async def test_settings_are_read_together_and_forgotten(store: Store, rival: Store) -> None:
    """In the order of the names; None where nothing stands."""
    await store.replace("a", AWKWARD.replace("\x00", ""))
    await store.replace("b", "")
    assert list(await rival.settings(["x", "b", "a", "b"])) == [None, "", AWKWARD.replace("\x00", ""), ""]
    assert await rival.forget("a")
    assert not await store.forget("a")
    assert list(await store.settings(["a"])) == [None]


async def test_an_address_that_was_taken_back_is_nobodys(store: Store) -> None:
    """The user is put again without it, or with another: the old one leads nowhere."""
    await store.put_user(User(TENANT, "anna", email="old@x.example"))
    await store.put_user(User(TENANT, "anna", email="new@x.example"))
    assert list(await store.tenants_of(["old@x.example", "new@x.example"])) == [(), (TENANT,)]
    await store.put_user(User(TENANT, "anna", name="Anna"))
    assert list(await store.tenants_of(["old@x.example", "new@x.example"])) == [(), ()]
