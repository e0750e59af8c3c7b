"""Every method of the store in every variant, so that a test can watch which queries that takes."""

from __future__ import annotations

from typing import Any

from heliograph.core.ids import floor_of
from heliograph.core.keys import ApiKey
from heliograph.core.model import Batch, Device, Key, Level, Preferences, Send, User
from heliograph.core.ports import InboxQuery, Reached, Store
from heliograph.core.retention import Bounds
from heliograph.core.suppressing import Suppression, SuppressionQuery
from tests.contract.store.examples import NOW, TENANT, batch, event, key, letter, notification, submission, ticket

ANNA = key("anna")


class Noting:
    """A store that notes which of its methods were called."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.called: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        self.called.add(name)
        return getattr(self._store, name)


METHODS = {name for name in dir(Store) if not name.startswith("_")}


async def tour(store: Store) -> None:
    """Goes everywhere; raises AssertionError if it forgot a method of the port."""
    noting: Any = Noting(store)
    await _sending(noting)
    await _topics(noting)
    await _progress(noting)
    await _inbox(noting)
    await _people(noting)
    await _dead_letters(noting)
    await _tickets(noting)
    await _retention(noting)
    await noting.ping()
    left_out = METHODS - noting.called - {"open", "close_store", "in_use"}
    assert not left_out, left_out


async def _sending(store: Store) -> None:
    users = (User(TENANT, "anna", email="a@x"), User(TENANT, "ben"))
    calls = [
        submission(idem=(f"key-{i}", "f"), users=users if i % 2 else ()) for i in range(4)
    ] + [submission(batch("a", "b"), idem=("key-b", "f")), submission()]  # fmt: skip
    await store.accept(calls)
    await store.accept([submission(idem=("key-1", "f"), users=users), submission(idem=("key-2", "other"))])
    many = batch("anna", "ben")
    await store.accept([submission(many)])
    await store.expand([many.member(0), many.member(1)], NOW, Reached(many.key, many.level, "2", NOW))
    await store.batch(key(many.id))
    bulk = Batch("bat_bulk", TENANT, "alert", NOW, sends=(Send(0, notification("anna", id="")),))
    await store.accept([submission(bulk)])
    await store.batch(bulk.key, 0, 1)
    await store.batches_due(NOW, 10)
    await store.batch_postpone([key(many.id)], NOW)
    await store.batch_histories(key(many.id), "", 10)


async def _topics(store: Store) -> None:
    await store.subscribe(key("news"), ["anna", "ben"])
    await store.subscribers(key("news"), "anna", 10)
    await store.subscriber_count(key("news"))
    await store.topics_of(ANNA)
    await store.unsubscribe(key("news"), ["anna", "zoe"])


async def _progress(store: Store) -> None:
    made = [notification() for _ in range(3)]
    await store.accept([submission(one) for one in made])
    keys = [one.key for one in made]
    await store.record([event(one, "routed", plan=("email", "push:a")) for one in made], dict.fromkeys(keys, NOW))
    await store.record([event(one, "routed", plan=("email",), unique="again", hides=True) for one in made])
    attempts = [event(one, "sending", "email", attempt=1, token="t") for one in made[:2]]
    await store.begin(attempts)
    await store.begin([event(one, "sending", "email", attempt=1, token="other") for one in made])
    await store.record(
        [event(one, kind, "email", attempt=1) for one in made for kind in ("sent", "delivered", "opened")]
    )
    await store.histories(keys)
    for level in Level:
        await store.due(level, NOW, 10)
    for one in (*keys, key("ntf_none")):
        await store.cancel(one, NOW)
    await store.postpone(dict.fromkeys(keys, NOW))
    await store.close(keys)
    await store.amend(made[0])
    await store.recheck_all(NOW)


async def _inbox(store: Store) -> None:
    one = notification()
    await store.accept([submission(one)])
    for unread in (None, True, False):
        for before in (None, one.id):
            for category in (None, "c"):
                for archived in (False, True):
                    await store.inbox(
                        InboxQuery(user=ANNA, unread=unread, before=before, category=category, archived=archived)
                    )
    await store.unread([ANNA, key("ben"), Key("zoo", "anna")])
    for mark in ("seen", "read", "unread", "archive", "unarchive"):
        await store.engage(ANNA, one.id, mark, NOW)
    await store.read_all(ANNA, NOW)


async def _people(store: Store) -> None:
    await store.put_user(User(TENANT, "anna"))
    await store.user(ANNA)
    await store.put_preferences(ANNA, Preferences({"push": False}), NOW)
    await store.preferences([ANNA, key("ben")])
    await store.recipients([ANNA, key("ben"), Key("zoo", "x")])
    for value in ("t1", "t2", "t1"):
        await store.add_device(Device(f"dev_{value}", TENANT, "anna", "apns", value, NOW))
    await store.devices(ANNA)
    await store.remove_devices([(ANNA, "dev_t1"), (key("ben"), "dev_t2")])
    await store.suppress([Suppression(TENANT, "a@x", "manual", NOW), Suppression(TENANT, "b@x", "complaint", NOW)])
    await store.suppressed([key("a@x"), key("b@x")])
    await store.tenants_of(["a@x", "b@x"])
    for reason in (None, "manual"):
        await store.suppressions(SuppressionQuery(tenant=TENANT, limit=2, reason=reason, after=("a", "manual")))
        await store.unsuppress(key("a@x"), reason)
    await store.bury([letter(one) for one in [notification()]])
    await store.erase_user(ANNA)
    await store.add_key(ApiKey(digest="digest", tenant=TENANT, prefix="hg", created_at=NOW))
    await store.api_keys(TENANT)
    await store.end_key("digest", NOW + 1)
    await store.touch_key("digest", NOW)
    await store.api_key("digest")
    await store.keep("name", "value")
    await store.replace("name", "value")
    await store.settings(["name", "none"])
    await store.forget("name")
    await store.lease("name", "a", NOW, NOW + 1)
    await store.lease("name", "b", NOW, NOW + 1)


async def _dead_letters(store: Store) -> None:
    letters = [letter(notification(), cause) for cause in ("timeout", "rejected")]
    await store.bury(letters)
    for channel in (None, "email"):
        await store.dead_groups(TENANT, channel)
    ids = [letters[0].id, letters[1].notification_id]
    for cause in (None, "timeout"):
        for wanted in (None, ids):
            await store.dead_letters(TENANT, cause=cause, ids=wanted)
    await store.unbury(letters)
    await store.dead_count()


async def _retention(store: Store) -> None:
    one, many = notification(), batch("anna")
    await store.accept([submission(one, idem=("old", "f")), submission(many, idem=("old batch", "f"))])
    await store.expand([], NOW, Reached(many.key, many.level, "1", NOW, done=True))
    await store.close([one.key])
    await store.bury([letter(one)])
    later = NOW + 10**9
    await store.sweep_idempotency(later, 10)
    for hide, remove in ((later, 0), (later, later)):
        await store.sweep_notifications(Bounds(floor_of("ntf_", hide), floor_of("ntf_", remove)), "", 10**4)
    await store.sweep_batches(later, 10)
    await store.old_letters(later, 10)


async def _tickets(store: Store) -> None:
    made = [ticket() for _ in range(3)]
    await store.add_tickets(made)
    await store.postpone_tickets(made[:2], NOW)
    await store.tickets_due("expo", NOW, 10)
    await store.drop_tickets(made)
