"""What a user wants to hear where: the most specific rule decides, and transactional is never muted."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heliograph.core.model import CHANNELS, Channel, Level, Preferences
from heliograph.core.preferences import muted_by

SETTINGS = settings(max_examples=200, deadline=None, database=None)
CHANNEL = st.sampled_from(CHANNELS)
CHOICES = st.dictionaries(CHANNEL, st.booleans())
NAMES = st.lists(st.sampled_from("abc"), min_size=1, max_size=3).map(".".join)
PREFERENCES = st.builds(Preferences, CHOICES, st.dictionaries(NAMES, CHOICES, max_size=5))
MUTABLE = st.sampled_from([Level.P1, Level.P2])
CATEGORY = st.none() | NAMES


def muted(preferences: Preferences, category: str | None, channel: Channel = "email", level: Level = Level.P2) -> bool:
    return muted_by(preferences, level, category, channel) is not None


@pytest.mark.parametrize(
    ("channels", "categories", "category", "sentence"),
    [
        ({}, {}, "marketing.news", None),
        ({"email": True}, {}, "marketing.news", None),
        ({"email": False}, {}, "marketing.news", "the user muted e-mail"),
        ({"email": False}, {}, None, "the user muted e-mail"),
        ({"push": False}, {}, "marketing.news", None),
        ({}, {"marketing.news": {"email": False}}, "marketing.news", "the user muted e-mail for marketing.news"),
        ({}, {"marketing.news": {"push": False}}, "marketing.news", None),
        ({}, {"marketing.news": {"email": False}}, None, None),
        ({}, {"marketing": {"email": False}}, "marketing.news", "the user muted e-mail for marketing"),
        ({}, {"marketing": {"email": False}}, "marketing.news.weekly", "the user muted e-mail for marketing"),
        ({}, {"marketing": {"email": False}}, "marketing", "the user muted e-mail for marketing"),
        ({}, {"marketing": {"email": False}}, "marketing2", None),
        ({}, {"marketing": {"email": False}}, "Marketing", None),
        ({}, {"marketing.news": {"email": False}}, "marketing", None),
        ({}, {"marketing": {"email": False}, "marketing.news": {"email": True}}, "marketing.news", None),
        ({}, {"marketing": {"email": False}, "marketing.news": {}}, "marketing.news",
         "the user muted e-mail for marketing"),
        ({"email": False}, {"marketing": {"email": True}}, "marketing.news", None),
        ({"email": False}, {"marketing": {"push": True}}, "marketing.news", "the user muted e-mail"),
        ({"email": False}, {}, "..", "the user muted e-mail"),
    ],
)  # fmt: skip
def test_the_most_specific_rule_decides(
    channels: dict[Channel, bool],
    categories: dict[str, dict[Channel, bool]],
    category: str | None,
    sentence: str | None,
) -> None:
    """The category, then what it is a part of, then the channel's switch; what nobody speaks of is allowed."""
    assert muted_by(Preferences(channels, categories), Level.P2, category, "email") == sentence


@SETTINGS
@given(PREFERENCES, CATEGORY, CHANNEL)
def test_transactional_is_never_muted(preferences: Preferences, category: str | None, channel: Channel) -> None:
    """Whatever the preferences say (CONTRACT section 3)."""
    assert not muted(preferences, category, channel, Level.P0)


@SETTINGS
@given(PREFERENCES, CATEGORY, CHANNEL, MUTABLE)
def test_a_rule_says_whether_it_is_muted_and_by_what(
    preferences: Preferences, category: str | None, channel: Channel, level: Level
) -> None:
    """The sentence names a rule that is there and says no; where nothing says no, nothing is muted."""
    sentence = muted_by(preferences, level, category, channel)
    rules = [choices for name, choices in preferences.categories.items() if f"{category}.".startswith(f"{name}.")]
    if sentence is None:
        assert all(choices.get(channel, True) for choices in [preferences.channels, *rules]) or any(
            choices.get(channel) for choices in rules
        )
    elif " for " in sentence:
        assert preferences.categories[sentence.partition(" for ")[2]][channel] is False
    else:
        assert preferences.channels[channel] is False
        assert all(channel not in choices for choices in rules)


@SETTINGS
@given(PREFERENCES, CATEGORY, CHANNEL, MUTABLE, st.booleans())
def test_a_rule_for_the_category_itself_is_final(
    preferences: Preferences, category: str | None, channel: Channel, level: Level, wanted: bool
) -> None:
    """Whatever the other rules say; and it says nothing of the other channels."""
    own = {**preferences.categories.get(category or "", {}), channel: wanted}
    changed = Preferences(preferences.channels, {**preferences.categories, category or "": own})
    if category:
        assert muted(changed, category, channel, level) is not wanted
    for other in set(CHANNELS) - {channel}:
        assert muted(changed, category, other, level) == muted(preferences, category, other, level)
