"""The part of JetStream's JSON API that we speak: requests as subjects and bodies, answers as structs. Pure.

Source: the server's own API (`$JS.API.>`, nats-server server/jetstream_api.go; error codes server/errors.json).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, TypeVar

import msgspec

from heliograph.backends.jetstream.link import Outgoing
from heliograph.core.model import Millis

NO_STREAM: Final = 10059
NO_CONSUMER: Final = 10014
STREAM_EXISTS: Final = 10058
NO_MESSAGE: Final = 10037
_ABSENT: Final = {NO_STREAM, NO_CONSUMER}


class ApiError(msgspec.Struct, frozen=True):
    code: int = 0
    err_code: int = 0
    description: str = ""

    @property
    def absent(self) -> bool:
        """Whether the stream or consumer asked for doesn't exist."""
        return self.err_code in _ABSENT


class Answer(msgspec.Struct, frozen=True):
    """What every answer may be. An acknowledged publish has neither."""

    error: ApiError | None = None


class StreamCounts(msgspec.Struct, frozen=True):
    messages: int = 0
    subjects: dict[str, int] | None = None


class StreamInfo(msgspec.Struct, frozen=True):
    error: ApiError | None = None
    created: str = ""
    config: dict[str, Any] = {}
    state: StreamCounts = StreamCounts()


class ConsumerInfo(msgspec.Struct, frozen=True):
    name: str = ""
    num_ack_pending: int = 0


class ConsumerList(msgspec.Struct, frozen=True):
    error: ApiError | None = None
    consumers: tuple[ConsumerInfo, ...] = ()


class StoredMessage(msgspec.Struct, frozen=True):
    time: str = ""


class MessageFound(msgspec.Struct, frozen=True):
    error: ApiError | None = None
    message: StoredMessage | None = None


_A = TypeVar("_A", Answer, StreamInfo, ConsumerList, MessageFound)
_NOBODY_THERE: Final = b'{"error":{"code":503,"err_code":10059,"description":"nobody answers: no such stream"}}'


def read(answer: bytes, kind: type[_A]) -> _A:
    """An empty answer (nobody listens) reads as "no such stream". Raises `msgspec.DecodeError`."""
    return msgspec.json.decode(answer or _NOBODY_THERE, type=kind)


def refusal(answer: bytes) -> ApiError | None:
    """Why a publish or an API call was refused; None = it was taken. Cheap for the usual answer."""
    if answer and b'"error"' not in answer:
        return None
    return read(answer, Answer).error


def stream_info(stream: str, subjects: str = "") -> Outgoing:
    """`subjects`: also count the messages of every subject that matches."""
    body = msgspec.json.encode({"subjects_filter": subjects}) if subjects else b""
    return Outgoing(f"$JS.API.STREAM.INFO.{stream}", body)


def stream_create(config: dict[str, Any]) -> Outgoing:
    return Outgoing(f"$JS.API.STREAM.CREATE.{config['name']}", msgspec.json.encode(config))


def stream_update(config: dict[str, Any]) -> Outgoing:
    return Outgoing(f"$JS.API.STREAM.UPDATE.{config['name']}", msgspec.json.encode(config))


def consumer_create(stream: str, config: dict[str, Any]) -> Outgoing:
    """Creates it, or brings an existing one to this configuration."""
    subject = f"$JS.API.CONSUMER.CREATE.{stream}.{config['durable_name']}.{config['filter_subject']}"
    return Outgoing(subject, msgspec.json.encode({"stream_name": stream, "config": config}))


def consumer_list(stream: str) -> Outgoing:
    return Outgoing(f"$JS.API.CONSUMER.LIST.{stream}", b"")


def oldest_message(stream: str, subjects: str) -> Outgoing:
    body = msgspec.json.encode({"seq": 1, "next_by_subj": subjects})
    return Outgoing(f"$JS.API.STREAM.MSG.GET.{stream}", body)


def next_message(stream: str, consumer: str) -> str:
    """The subject of pull requests."""
    return f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}"


def millis(rfc3339: str) -> Millis:
    return int(datetime.fromisoformat(rfc3339).timestamp() * 1000)
