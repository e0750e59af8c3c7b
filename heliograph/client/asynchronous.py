"""`AsyncHeliograph`: the client for asyncio programs. The synchronous one runs it on a thread of its own.

Reads and writes the HTTP API with a server key; never touches a user's inbox or the live connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, Final, Self, Unpack, cast, overload
from urllib.parse import quote

import msgspec
from msgspec.structs import replace

from heliograph.client.errors import HeliographError, NotFound, PartlySent
from heliograph.client.grouping import Sends, new_key
from heliograph.client.shapes import (
    Choices,
    Content,
    Message,
    Notification,
    Preferences,
    Recipient,
    Sent,
    SentList,
    SentTopic,
    TimelineEvent,
    Topic,
    User,
    UserToken,
)
from heliograph.client.transport import Answer, Transport

One = str | Recipient
Many = Sequence[One]
"""A string is a sequence of strings, too; the overloads of `send` ask for `One` first."""
RETRY_FOR_S: Final = 10.0


class AsyncHeliograph:
    """A client service's access to Heliograph; safe to share among tasks of one event loop.

        async with AsyncHeliograph("https://heliograph.internal", key) as heliograph:
            sent = await heliograph.send("user-1", type="transactional", title="Your order has shipped")

    Every call raises `HeliographError` or one of its kinds. A call that meets an overload (503), a quota (429) or no
    answer at all is made again, after a random wait that grows and is never shorter than the server's `Retry-After`.
    That is safe: every send carries an idempotency key.

    Args:
        url: where the API is, such as `http://127.0.0.1:8080`.
        key: a server key, `hg_sk_…`.
        timeout_s: for one request.
        retry_for_s: how long a call may go on trying again, in seconds; 0 = it is made once.
        connections: requests under way at a time.

    Raises:
        ValueError: `url` or `key` can't be one.
    """

    def __init__(
        self, url: str, key: str, *, timeout_s: float = 10.0, retry_for_s: float = RETRY_FOR_S, connections: int = 8
    ) -> None:
        self._transport = Transport(url, key, timeout_s=timeout_s, retry_for_s=retry_for_s, connections=connections)
        self._sends = Sends(self._post, in_flight=connections)
        self.users = AsyncUsers(self._transport)
        self.notifications = AsyncNotifications(self._transport)

    @overload
    async def send(self, to: One, **content: Unpack[Content]) -> Sent: ...  # type: ignore[overload-overlap]
    @overload
    async def send(self, to: Topic, **content: Unpack[Content]) -> SentTopic: ...
    @overload
    async def send(self, to: Many, **content: Unpack[Content]) -> SentList: ...
    async def send(self, to: One | Topic | Many, **content: Unpack[Content]) -> Sent | SentTopic | SentList:
        """Sends one content to a user, to a list of up to 1,000, or to everybody who subscribed to a topic.

        Many concurrent sends to single users share requests. Returns once it is on disk.

        Args:
            to: a user id, or `{"id", "email", "name", "locale", "timezone", "data"}` that creates or updates the user
                on the way, or a list of either, or `{"topic"}`.
            content: `title`, `body`, `type`, `category`, … : see `Content` and docs/api.md.

        Returns:
            `Sent(id)`; for a list `SentList(batch_id, accepted, ids)`, ids in the order of `to`; for a topic
            `SentTopic(batch_id)`.

        Raises:
            ValidationError: with the path of every flaw; nothing was sent.
            IdempotencyMismatch: your `idempotency_key` was used with another body.
        """
        if isinstance(to, str) or (isinstance(to, Mapping) and "topic" not in to):
            return await self._sends.submit([{"to": to, **content}])[0]
        body = msgspec.json.encode({"to": to if isinstance(to, Mapping) else list(to), **content})
        answer = await self._post("/v1/send", body, new_key() if content.get("idempotency_key") is None else {})
        if isinstance(to, Mapping):
            return replace(answer.read(SentTopic), replayed=answer.replayed)
        return replace(answer.read(SentList), replayed=answer.replayed)

    async def send_many(self, messages: Iterable[Message]) -> list[Sent]:
        """Sends many messages, each with its own recipient and content, up to 1,000 in a request, the most urgent type
        first. One content for many is smaller as `send(list, …)`.

        Returns:
            One `Sent` for each, in their order.

        Raises:
            PartlySent: some were refused or got no answer: its `results` say which, and why. The others were sent.
        """
        futures = self._sends.submit(cast("Iterable[Mapping[str, Any]]", messages))
        results = await asyncio.gather(*futures, return_exceptions=True)
        sent = [one for one in results if isinstance(one, Sent)]
        if len(sent) == len(results):
            return sent
        known = [one for one in results if isinstance(one, Sent | HeliographError)]
        if len(known) < len(results):
            raise next(
                one for one in results if isinstance(one, BaseException) and not isinstance(one, HeliographError)
            )
        raise PartlySent(known)

    async def request(self, method: str, path: str, body: Any = None) -> Any:
        """Any call of docs/api.md that has no method here, with the same retries and errors.

        Args:
            path: with its query, percent-encoded where needed: `/v1/dlq?channel=email`.
            body: what JSON has a form for; None = no body.

        Returns:
            The decoded JSON; None if there is none.
        """
        answer = await self._transport.call(method, path, None if body is None else msgspec.json.encode(body))
        return answer.read(object) if answer.body else None

    async def _post(self, path: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        return await self._transport.call("POST", path, body, headers)

    async def close(self) -> None:
        """Waits for what is on its way, then closes the connections."""
        await self._sends.settled()
        await self._transport.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


class AsyncUsers:
    """The users of your tenant, by your own ids."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def put(
        self,
        user_id: str,
        *,
        email: str | None = None,
        name: str | None = None,
        locale: str | None = None,
        timezone: str | None = None,
        data: dict[str, Any] | None = None,
    ) -> User:
        """Creates or replaces a user: what is left out is empty from then on. Their preferences stay."""
        given = {"email": email, "name": name, "locale": locale, "timezone": timezone, "data": data}
        body = msgspec.json.encode({field: value for field, value in given.items() if value is not None})
        return (await self._transport.call("PUT", _user(user_id), body)).read(User)

    async def get(self, user_id: str) -> User:
        """Raises `NotFound` for a user whom nobody ever described."""
        return (await self._transport.call("GET", _user(user_id))).read(User)

    async def delete(self, user_id: str) -> None:
        """Erases a user everywhere. Raises `NotFound` if nothing was known of them."""
        try:
            await self._transport.call("DELETE", _user(user_id))
        except NotFound as error:
            if error.tries == 1:  # else an earlier try erased them, and only its answer was lost
                raise

    async def token(self, user_id: str, ttl_s: int = 3_600) -> UserToken:
        """A token with which the user's page or app opens their inbox; for 30 days at most."""
        body = msgspec.json.encode({"ttl_s": ttl_s})
        return (await self._transport.call("POST", f"{_user(user_id)}/token", body)).read(UserToken)

    async def preferences(self, user_id: str) -> Preferences:
        """What the user wants to hear where; empty for a user who never said."""
        return (await self._transport.call("GET", f"{_user(user_id)}/preferences")).read(Preferences)

    async def set_preferences(
        self, user_id: str, *, channels: Choices | None = None, categories: dict[str, Choices] | None = None
    ) -> Preferences:
        """Replaces all of a user's preferences: what is left out is not muted."""
        body = msgspec.json.encode({"channels": channels or {}, "categories": categories or {}})
        return (await self._transport.call("PUT", f"{_user(user_id)}/preferences", body)).read(Preferences)


class AsyncNotifications:
    """What became of what was sent. Every call raises `NotFound` for an id that isn't yours."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def get(self, notification_id: str) -> Notification:
        """The notification with its status and its deliveries."""
        return (await self._transport.call("GET", _notification(notification_id))).read(Notification)

    async def timeline(self, notification_id: str) -> list[TimelineEvent]:
        """Everything that happened to it, oldest first."""
        answer = await self._transport.call("GET", f"{_notification(notification_id)}/timeline")
        return answer.read(_Timeline).events

    async def explain(self, notification_id: str) -> dict[str, Any]:
        """The routing decisions in words: which channels, why, and why not the others (docs/api.md)."""
        answer = await self._transport.call("GET", f"{_notification(notification_id)}/explain")
        return answer.read(dict[str, Any])

    async def cancel(self, notification_id: str) -> None:
        """Raises `Conflict` if it has left already."""
        await self._transport.call("DELETE", _notification(notification_id))


class _Timeline(msgspec.Struct):
    events: list[TimelineEvent]


def _user(user_id: str) -> str:
    return f"/v1/users/{quote(user_id, safe='')}"


def _notification(notification_id: str) -> str:
    return f"/v1/notifications/{quote(notification_id, safe='')}"
