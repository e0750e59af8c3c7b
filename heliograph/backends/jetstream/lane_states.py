"""How full the lanes are: read from the streams and consumers of the server, a few requests at a time.

Reads stream, consumer and message information of every lane; writes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from heliograph.backends.jetstream import api
from heliograph.backends.jetstream.link import NatsLink, Outgoing
from heliograph.backends.jetstream.packing import packed_in
from heliograph.backends.jetstream.topology import API_TIMEOUT_S, KINDS, consumer_of, stream_of, subjects_of
from heliograph.core.errors import QueueUnavailable
from heliograph.core.lanes import LANES, Lane
from heliograph.core.model import Level, Millis
from heliograph.core.ports import LaneState

_STREAMS: Final = [(kind, lane) for kind in KINDS for lane in LANES]


class StreamMissing(QueueUnavailable):
    """A stream or consumer doesn't exist: to be created, then asked again."""


class _Pile(msgspec.Struct):
    """One level of one stream."""

    messages: int = 0
    items: int = 0
    held: int = 0

    def in_flight(self) -> int:
        """Items in workers' hands: messages in hand, taken as packed like the average one here. An estimate."""
        return min(self.items, -(-self.held * self.items // self.messages)) if self.messages else 0


_Piles = dict[tuple[str, str, Level], _Pile]


async def read_states(link: NatsLink) -> Mapping[tuple[str, Level], LaneState]:
    """Two rounds: counts of everything, then the oldest message of what isn't empty. Raises `QueueUnavailable`."""
    piles = await _piles(link)
    oldest = await _oldest(link, [place for place, pile in piles.items() if pile.messages])
    return {(lane.name, level): _state(lane, level, piles, oldest) for lane in LANES for level in Level}


def _state(lane: Lane, level: Level, piles: _Piles, oldest: Mapping[tuple[str, str, Level], Millis]) -> LaneState:
    places = [(kind, lane.name, level) for kind in KINDS]
    times = [oldest[place] for place in places if place in oldest]
    return LaneState(
        depth=sum(piles[place].items for place in places),
        in_flight=sum(piles[place].in_flight() for place in places),
        oldest_at=min(times, default=None),
    )


async def _piles(link: NatsLink) -> _Piles:
    piles = {(kind, lane.name, level): _Pile() for kind, lane in _STREAMS for level in Level}
    answers = await link.request_many([*_questions()], API_TIMEOUT_S)
    for place, (kind, lane) in enumerate(_STREAMS):
        info = api.read(answers[2 * place], api.StreamInfo)
        listed = api.read(answers[2 * place + 1], api.ConsumerList)
        if info.error or listed.error:
            raise StreamMissing(stream_of(kind, lane.name))
        held = {consumer.name: consumer.num_ack_pending for consumer in listed.consumers}
        for level in Level:
            piles[kind, lane.name, level].held = held.get(consumer_of(lane, level), 0)
        for subject, messages in (info.state.subjects or {}).items():
            pile = piles[kind, lane.name, Level(int(subject.split(".")[2][1:]))]
            pile.messages += messages
            pile.items += messages * packed_in(subject)
    return piles


def _questions() -> Sequence[Outgoing]:
    return [
        question
        for kind, lane in _STREAMS
        for question in (
            api.stream_info(stream_of(kind, lane.name), subjects_of(kind, lane.name)),
            api.consumer_list(stream_of(kind, lane.name)),
        )
    ]


async def _oldest(link: NatsLink, places: Sequence[tuple[str, str, Level]]) -> Mapping[tuple[str, str, Level], Millis]:
    questions = [
        api.oldest_message(stream_of(kind, lane), subjects_of(kind, lane, level)) for kind, lane, level in places
    ]
    answers = await link.request_many(questions, API_TIMEOUT_S)
    found = [api.read(answer, api.MessageFound).message for answer in answers]
    return {
        place: api.millis(message.time)
        for place, message in zip(places, found, strict=True)
        if message is not None  # taken meanwhile
    }
