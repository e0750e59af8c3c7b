"""The delivery router's rule: exactly the channels that are allowed, and a reason for every one."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from heliograph.core.lanes import push_target
from heliograph.core.model import CHANNELS, Channel, Device, DeviceKind, Preferences, Recipient, Type
from heliograph.core.preferences import PREFERENCE, muted_by
from heliograph.core.routing import Facts, Means, Presence, Route, escalate, inbox_keeps, route
from tests.unit.given import device, notification, recipient, user

SETTINGS = settings(max_examples=60, deadline=None, database=None)
ALL = Means(email=True, push=frozenset({"fcm_token"}))
ONLINE = Presence(nodes=frozenset({"n1"}))
CHOICES = st.none() | st.lists(st.sampled_from(CHANNELS), min_size=1, max_size=3, unique=True).map(tuple)
KINDS: st.SearchStrategy[DeviceKind] = st.sampled_from(["fcm_token", "apns"])


@st.composite
def facts(draw: st.DrawFn) -> Facts:
    kinds: list[DeviceKind] = draw(st.lists(KINDS, max_size=3))
    devices = tuple(device(f"dev_{n}", kind=kind) for n, kind in enumerate(kinds))
    person = draw(st.sampled_from([None, user(), user(email=None)]))
    nodes = draw(st.frozensets(st.sampled_from(["n1", "n2"])))
    live = draw(st.frozensets(st.sampled_from(["dev_0", "dev_1"]))) if nodes else frozenset()
    return Facts(
        recipient=Recipient(person, devices),
        presence=Presence(nodes, live, known=bool(nodes) or draw(st.booleans())),
        means=Means(email=draw(st.booleans()), push=draw(st.frozensets(KINDS))),
        suppressed=draw(st.sampled_from([None, "hard_bounce"])),
    )


def reachable_by_mail(known: Facts) -> bool:
    person = known.recipient.user
    return known.means.email and person is not None and bool(person.email) and known.suppressed is None


def usable(known: Facts) -> set[str]:
    return {d.id for d in known.recipient.devices if d.kind in known.means.push}


def chosen(decision: Route) -> set[str]:
    return {target.partition(":")[0] for target in decision.targets}


@SETTINGS
@given(CHOICES, facts())
def test_only_allowed_and_possible_channels_are_chosen(channels: tuple[Channel, ...] | None, known: Facts) -> None:
    """A channel that the caller left out, that isn't configured or has no address is never planned."""
    decision = route(notification(channels=channels), known)
    assert chosen(decision) <= set(channels or CHANNELS)
    assert {d.id for d in decision.devices} <= usable(known)
    assert decision.email is None or reachable_by_mail(known)
    assert len(decision.targets) == len(set(decision.targets))


@SETTINGS
@given(CHOICES, facts())
def test_every_channel_gets_a_reason(channels: tuple[Channel, ...] | None, known: Facts) -> None:
    """`explain` has a sentence for each channel, and it says "chosen" exactly when it was."""
    decision = route(notification(channels=channels), known)
    assert set(decision.why) == set(CHANNELS)
    assert {name for name, why in decision.why.items() if why.startswith("chosen: ")} == chosen(decision)
    assert all(why.startswith(("chosen: ", "not chosen: ")) for why in decision.why.values())


@SETTINGS
@given(CHOICES, facts())
def test_whatever_can_reach_the_person_is_used(channels: tuple[Channel, ...] | None, known: Facts) -> None:
    """A notification ends nowhere only when no allowed channel is left at all; the inbox is one."""
    allowed = set(channels or CHANNELS)
    decision = route(notification(channels=channels), known)
    if decision.targets:
        return
    assert "in_app" not in allowed
    assert "email" not in allowed or not reachable_by_mail(known)
    assert "push" not in allowed or not usable(known)


@SETTINGS
@given(CHOICES, facts())
def test_no_mail_to_someone_who_sees_it_in_the_page(channels: tuple[Channel, ...] | None, known: Facts) -> None:
    """Online and in-app chosen = no e-mail now; offline = no in-app frame but e-mail whenever possible."""
    allowed = set(channels or CHANNELS)
    decision = route(notification(channels=channels), known)
    if known.presence.online:
        assert ("in_app" in chosen(decision)) == ("in_app" in allowed)
        assert not ({"in_app", "email"} <= chosen(decision))
    else:
        assert (decision.email is not None) == ("email" in allowed and reachable_by_mail(known))
        assert {d.id for d in decision.devices} == (usable(known) if "push" in allowed else set())
        assert decision.in_app == decision.inbox_only


@SETTINGS
@given(CHOICES, facts(), st.data())
def test_escalation_adds_what_an_offline_user_would_have_got(
    channels: tuple[Channel, ...] | None, known: Facts, data: st.DataObject
) -> None:
    """Unseen after all: as if offline, less what was planned before, and never in-app again."""
    before = notification(channels=channels)
    already = data.draw(st.frozensets(st.sampled_from(["in_app", "email", "push:dev_0"])))
    offline = route(before, Facts(known.recipient, Presence(), known.means, known.suppressed))
    found = escalate(before, known, already, 30)
    assert set(found.targets) == set(offline.targets) - set(already) - {"in_app"}
    assert not found.in_app
    assert found.summary == "not acknowledged within 30 s"


@pytest.mark.parametrize(
    ("presence", "channels", "targets"),
    [
        (ONLINE, None, ("in_app", "push:dev_1")),
        (Presence(), None, ("push:dev_1", "email")),
        (Presence(frozenset({"n1"}), frozenset({"dev_1"})), None, ("in_app",)),
        (ONLINE, ("email",), ("email",)),
        (ONLINE, ("push", "email"), ("push:dev_1",)),
        (Presence(frozenset({"n1"}), frozenset({"dev_1"})), ("push", "email"), ("push:dev_1",)),
        (Presence(), ("in_app",), ("in_app",)),
        (Presence(), ("push",), ("push:dev_1",)),
    ],
)
def test_the_default_routes(presence: Presence, channels: tuple[Channel, ...] | None, targets: tuple[str, ...]) -> None:
    """DESIGN section 6: online in-app and push, offline e-mail and push; named channels limit the choice."""
    known = Facts(recipient(device()), presence, ALL)
    assert route(notification(channels=channels), known).targets == targets


def test_a_mail_that_was_planned_already_is_not_planned_again() -> None:
    """Escalating adds; what was planned before goes its own way."""
    known = Facts(recipient(device(), device("dev_2")), ONLINE, ALL)
    assert escalate(notification(), known, ["in_app", "email", "push:dev_1"], 30).targets == ("push:dev_2",)
    assert escalate(notification(), known, ["in_app"], 30).targets == ("push:dev_1", "push:dev_2", "email")


def test_the_inbox_is_the_last_resort_and_says_so() -> None:
    """Nobody knows an address or a device: it waits in the inbox, and that is its delivery."""
    decision = route(notification(), Facts(Recipient(None), Presence(), ALL))
    assert (decision.targets, decision.inbox_only) == (("in_app",), True)
    assert "waits in the inbox" in decision.why["in_app"]


def test_a_suppressed_address_is_told_apart_from_a_missing_one() -> None:
    """Only then does the notification end as `suppressed` rather than `failed`."""
    mail_only = notification(channels=("email",))
    refused = route(mail_only, Facts(recipient(), Presence(), ALL, suppressed="complaint"))
    assert (refused.targets, refused.withheld) == ((), (("email", "complaint"),))
    assert "complaint" in refused.why["email"]
    assert not route(mail_only, Facts(recipient(email=None), Presence(), ALL)).withheld
    push_only = route(notification(channels=("push",)), Facts(recipient(), Presence(), ALL, suppressed="complaint"))
    assert not push_only.withheld, "no mail was wanted, so the address is not to blame"


@pytest.mark.parametrize("number", [1, 3])
def test_each_device_is_a_delivery_of_its_own(number: int) -> None:
    """One target per device, so that one dead token says nothing of the others."""
    devices: list[Device] = [device(f"dev_{n}") for n in range(number)]
    decision = route(notification(), Facts(recipient(*devices, email=None), Presence(), ALL))
    assert decision.targets == tuple(push_target(d.id) for d in devices)


# --- preferences ------------------------------------------------------------------------------------------------------

CHOICES_OF_A_USER = st.dictionaries(st.sampled_from(CHANNELS), st.booleans())
PREFERENCES = st.builds(
    Preferences, CHOICES_OF_A_USER, st.dictionaries(st.sampled_from(["news", "news.daily"]), CHOICES_OF_A_USER)
)
TYPES: st.SearchStrategy[Type] = st.sampled_from(["alert", "marketing"])
CATEGORIES = st.sampled_from([None, "news", "news.daily", "other"])


def muting(known: Facts, preferences: Preferences) -> Facts:
    return structs.replace(known, recipient=structs.replace(known.recipient, preferences=preferences))


@SETTINGS
@given(CHOICES, facts(), PREFERENCES, CATEGORIES)
def test_transactional_is_routed_as_if_nobody_had_preferences(
    channels: tuple[Channel, ...] | None, known: Facts, preferences: Preferences, category: str | None
) -> None:
    """A receipt or a code is never muted, here and when it is escalated."""
    one = notification(channels=channels, type="transactional", category=category)
    assert route(one, muting(known, preferences)) == route(one, known)
    assert escalate(one, muting(known, preferences), ["in_app"], 30) == escalate(one, known, ["in_app"], 30)


@SETTINGS
@given(CHOICES, facts(), PREFERENCES, TYPES, CATEGORIES, st.frozensets(st.sampled_from(["in_app", "email"])))
def test_a_muted_channel_is_one_that_the_sender_left_out(
    channels: tuple[Channel, ...] | None,
    known: Facts,
    preferences: Preferences,
    kind: Type,
    category: str | None,
    already: frozenset[str],
) -> None:
    """So muting never adds what leaving the channel out of `channels` would not: routed and escalated alike."""
    one = notification(channels=channels, type=kind, category=category)
    left = [c for c in channels or CHANNELS if muted_by(preferences, one.level, category, c) is None]
    decision, escalated = route(one, muting(known, preferences)), escalate(one, muting(known, preferences), already, 30)
    assert inbox_keeps(one, muting(known, preferences)) == (one.in_inbox and "in_app" in left)
    assert {name for name, reason in decision.withheld if reason == PREFERENCE} == set(channels or CHANNELS) - set(left)
    if left:
        narrowed = structs.replace(one, channels=tuple(left))
        assert decision.targets == route(narrowed, known).targets
        assert escalated.targets == escalate(narrowed, known, already, 30).targets
    else:
        assert decision.targets == escalated.targets == ()


@SETTINGS
@given(CHOICES, facts(), PREFERENCES, TYPES, CATEGORIES)
def test_muting_reaches_nobody_by_what_they_would_never_have_got(
    channels: tuple[Channel, ...] | None, known: Facts, preferences: Preferences, kind: Type, category: str | None
) -> None:
    """An online user who muted in-app gets what they would have got offline: nothing beyond that is added."""
    one = notification(channels=channels, type=kind, category=category)
    offline = Facts(known.recipient, Presence(), known.means, known.suppressed)
    possible = chosen(route(one, known)) | chosen(route(one, offline))
    assert chosen(route(one, muting(known, preferences))) <= possible | {"in_app"}


def test_the_reason_names_the_rule() -> None:
    """`explain` says what the user chose, in words."""
    wants = Preferences({"push": False}, {"marketing": {"email": False}})
    known = muting(Facts(recipient(device()), ONLINE, ALL), wants)
    decision = route(notification(type="marketing", category="marketing.news"), known)
    assert decision.targets == ("in_app",)
    assert decision.why["email"] == "not chosen: the user muted e-mail for marketing"
    assert decision.why["push"] == "not chosen: the user muted push"


@pytest.mark.parametrize("presence", [ONLINE, Presence()])
def test_whose_every_channel_is_muted_is_left_alone(presence: Presence) -> None:
    """Not even the inbox keeps it; each channel ends with the reason."""
    wants = Preferences(dict.fromkeys(CHANNELS, False))
    known = muting(Facts(recipient(device()), presence, ALL), wants)
    decision = route(notification(type="alert"), known)
    assert (decision.targets, decision.inbox_only) == ((), False)
    assert decision.withheld == tuple((channel, PREFERENCE) for channel in CHANNELS)


def test_in_app_alone_is_no_reason_to_be_told_nowhere_else() -> None:
    """Muted on the screen: the mail comes even though the page is open."""
    known = muting(Facts(recipient(), ONLINE, ALL), Preferences({"in_app": False}))
    assert route(notification(type="alert"), known).targets == ("email",)
