"""The lab's journal: order, filters, bound."""

from __future__ import annotations

from heliograph.lab.inbox import Inbox, Nothing, Received


def add(inbox: Inbox, provider: str, to: str, *, accepted: bool = True) -> Received:
    return inbox.add(provider, to, Nothing(), accepted=accepted, status=200)


def test_records_come_back_oldest_first_and_filtered() -> None:
    """By provider, by recipient, both; refused ones only when asked for."""
    inbox = Inbox()
    first = add(inbox, "smtp", "bob@example.com")
    second = add(inbox, "sendgrid", "BOB@example.com")
    third = add(inbox, "fcm", "token", accepted=False)
    assert inbox.select() == [first, second]
    assert inbox.select(to="Bob@Example.com") == [first, second]
    assert inbox.select(to="bob@example.com", provider="sendgrid") == [second]
    assert inbox.select(refused_too=True) == [first, second, third]
    assert inbox.select(to="TOKEN", refused_too=True) == []
    assert inbox.select(after=first.serial) == [second]
    assert inbox.select(limit=1) == [first]


def test_token_requests_are_listed_only_when_named() -> None:
    """Counting what people received must not count OAuth calls."""
    inbox = Inbox()
    call = add(inbox, "oauth2", "account")
    assert inbox.select(refused_too=True) == []
    assert inbox.select(provider="oauth2") == [call]


def test_only_the_last_ones_are_kept() -> None:
    """Beyond the limit the oldest go, from the list and from the recipient's index alike."""
    inbox = Inbox(limit=2)
    add(inbox, "smtp", "a@x.io")
    kept = [add(inbox, "smtp", "b@x.io"), add(inbox, "smtp", "a@x.io")]
    assert len(inbox) == 2
    assert inbox.select() == kept
    assert inbox.select(to="a@x.io") == kept[1:]
    add(inbox, "smtp", "a@x.io")
    assert inbox.select(to="b@x.io") == []


def test_a_few_large_messages_push_older_ones_out() -> None:
    """The bound in bytes holds as well; the newest record always stays, however large."""
    inbox = Inbox(max_bytes=100)

    def receive(size: int) -> Received:
        return inbox.add("smtp", "a@x.io", Nothing(), accepted=True, status=250, size=size)

    receive(40)
    kept = [receive(40), receive(60)]
    assert inbox.select(to="a@x.io") == kept
    huge = receive(1000)
    assert inbox.select() == [huge]
    inbox.clear()
    kept = [receive(50), receive(50)]
    assert inbox.select() == kept


def test_clearing_forgets_everything_but_never_reuses_an_id() -> None:
    """A test that clears and polls with `after` must not miss anything."""
    inbox = Inbox()
    before = add(inbox, "smtp", "a@x.io")
    inbox.clear()
    assert inbox.select() == inbox.select(to="a@x.io") == []
    assert add(inbox, "smtp", "a@x.io").serial > before.serial


def test_arrival_times_are_utc_with_microseconds() -> None:
    """`at` is RFC 3339 in UTC and never loses its fraction, even at a full second."""
    inbox = Inbox(clock=lambda: 1_700_000_000.0)
    assert add(inbox, "smtp", "a@x.io").as_json()["at"] == "2023-11-14T22:13:20.000000Z"
