"""`Heliograph`: the client for programs without asyncio (Django, Flask, scripts, workers).

The asynchronous client on a private thread, instead of a second implementation over `http.client`: one code for retries
and errors, one pool of connections, and the sends of all threads of a process share requests.
"""

from __future__ import annotations

import asyncio
import os
import selectors
import threading
import weakref
from collections.abc import Callable, Coroutine, Iterable
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack, overload

from heliograph.client.asynchronous import RETRY_FOR_S, AsyncHeliograph, Many, One
from heliograph.client.shapes import (
    Choices,
    Content,
    Message,
    Notification,
    Preferences,
    Sent,
    SentList,
    SentTopic,
    TimelineEvent,
    Topic,
    User,
    UserToken,
)

T = TypeVar("T")
Call = Callable[[AsyncHeliograph], Coroutine[Any, Any, T]]


class Heliograph:
    """A client service's access to Heliograph; safe to share among threads, and to make before a fork.

        heliograph = Heliograph("http://127.0.0.1:8080", os.environ["HELIOGRAPH_KEY"])
        sent = heliograph.send("user-1", type="transactional", title="Your order has shipped")

    Keep one for the life of the process. The methods, their arguments, answers and errors are those of
    `AsyncHeliograph`; each waits for its answer. Not for use inside an event loop: it would stand still meanwhile.

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
        def make() -> AsyncHeliograph:
            return AsyncHeliograph(url, key, timeout_s=timeout_s, retry_for_s=retry_for_s, connections=connections)

        make()  # a wrong argument is said here, not at the first call
        self._line = _Line(make)
        self._end = weakref.finalize(self, self._line.close)  # also when the interpreter ends
        self.users = Users(self._line)
        self.notifications = Notifications(self._line)

    @overload
    def send(self, to: One, **content: Unpack[Content]) -> Sent: ...  # type: ignore[overload-overlap]
    @overload
    def send(self, to: Topic, **content: Unpack[Content]) -> SentTopic: ...
    @overload
    def send(self, to: Many, **content: Unpack[Content]) -> SentList: ...
    def send(self, to: One | Topic | Many, **content: Unpack[Content]) -> Sent | SentTopic | SentList:
        """Sends one content to a user, to a list of up to 1,000, or to a topic. Returns once it is on disk.

        Returns:
            `Sent(id)`; for a list `SentList(batch_id, accepted, ids)`, ids in the order of `to`; for a topic
            `SentTopic(batch_id)`.

        Raises:
            ValidationError: with the path of every flaw; nothing was sent.
            IdempotencyMismatch: your `idempotency_key` was used with another body.
        """

        async def call(client: AsyncHeliograph) -> Sent | SentTopic | SentList:
            return await client.send(to, **content)

        return self._line.run(call)

    def send_many(self, messages: Iterable[Message]) -> list[Sent]:
        """Sends many messages, each with its own recipient and content, up to 1,000 in a request.

        Raises:
            PartlySent: some were refused or got no answer: its `results` say which, and why. The others were sent.
        """
        made = list(messages)  # here, not on the other thread: it may be a generator of the caller's
        return self._line.run(lambda client: client.send_many(made))

    def request(self, method: str, path: str, body: Any = None) -> Any:
        """Any call of docs/api.md that has no method here; the decoded JSON, None if there is none."""
        return self._line.run(lambda client: client.request(method, path, body))

    def close(self) -> None:
        """Waits for what is on its way, then closes the connections and ends the thread. Closing twice is harmless."""
        self._end()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Users:
    """The users of your tenant, by your own ids."""

    def __init__(self, line: _Line) -> None:
        self._line = line

    def put(
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
        return self._line.run(
            lambda client: client.users.put(
                user_id, email=email, name=name, locale=locale, timezone=timezone, data=data
            )
        )

    def get(self, user_id: str) -> User:
        """Raises `NotFound` for a user whom nobody ever described."""
        return self._line.run(lambda client: client.users.get(user_id))

    def delete(self, user_id: str) -> None:
        """Erases a user everywhere. Raises `NotFound` if nothing was known of them."""
        self._line.run(lambda client: client.users.delete(user_id))

    def token(self, user_id: str, ttl_s: int = 3_600) -> UserToken:
        """A token with which the user's page or app opens their inbox; for 30 days at most."""
        return self._line.run(lambda client: client.users.token(user_id, ttl_s))

    def preferences(self, user_id: str) -> Preferences:
        """What the user wants to hear where; empty for a user who never said."""
        return self._line.run(lambda client: client.users.preferences(user_id))

    def set_preferences(
        self, user_id: str, *, channels: Choices | None = None, categories: dict[str, Choices] | None = None
    ) -> Preferences:
        """Replaces all of a user's preferences: what is left out is not muted."""
        return self._line.run(
            lambda client: client.users.set_preferences(user_id, channels=channels, categories=categories)
        )


class Notifications:
    """What became of what was sent. Every call raises `NotFound` for an id that isn't yours."""

    def __init__(self, line: _Line) -> None:
        self._line = line

    def get(self, notification_id: str) -> Notification:
        """The notification with its status and its deliveries."""
        return self._line.run(lambda client: client.notifications.get(notification_id))

    def timeline(self, notification_id: str) -> list[TimelineEvent]:
        """Everything that happened to it, oldest first."""
        return self._line.run(lambda client: client.notifications.timeline(notification_id))

    def explain(self, notification_id: str) -> dict[str, Any]:
        """The routing decisions in words: which channels, why, and why not the others (docs/api.md)."""
        return self._line.run(lambda client: client.notifications.explain(notification_id))

    def cancel(self, notification_id: str) -> None:
        """Raises `Conflict` if it has left already."""
        self._line.run(lambda client: client.notifications.cancel(notification_id))


class _Line:
    """The other thread, its event loop and the client there. Begins with the first call, and after a fork anew."""

    def __init__(self, make: Callable[[], AsyncHeliograph]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._begun = self._closed = False
        _lines.add(self)

    def run(self, call: Call[T]) -> T:
        """The answer of a call on the other thread; a caller who is interrupted takes the call back."""
        if not self._begun:
            self._begin()
        future = asyncio.run_coroutine_threadsafe(call(self._client), self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def _begin(self) -> None:
        with self._lock:
            if self._closed:
                raise RuntimeError("this client is closed")
            if not self._begun:
                self._selector = selectors.DefaultSelector()
                self._loop = asyncio.SelectorEventLoop(self._selector)
                self._client = self._make()
                self._thread = threading.Thread(target=_live, args=[self._loop], name="heliograph-client", daemon=True)
                self._thread.start()
                self._begun = True

    def close(self) -> None:
        begun, self._begun, self._closed = self._begun, False, True
        if begun:
            asyncio.run_coroutine_threadsafe(_die(self._client), self._loop)
            if threading.current_thread() is not self._thread:  # where the garbage collector may call this, too
                self._thread.join()

    def forked(self) -> None:
        """In the child, which has no such thread. Its epoll is the parent's, too: connections that are closed here,
        when they are forgotten, would be taken out of it. So the child gets another file under that number, and no word
        of what it leaves unclosed."""
        if self._begun and hasattr(self._selector, "fileno"):
            nothing = os.open(os.devnull, os.O_RDWR)
            os.dup2(nothing, self._selector.fileno())
            os.close(nothing)
            self._loop.set_exception_handler(lambda *_: None)
        self._lock = threading.Lock()
        self._begun = False


_lines: weakref.WeakSet[_Line] = weakref.WeakSet()


def _after_fork() -> None:
    for line in list(_lines):
        line.forked()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def _live(loop: asyncio.AbstractEventLoop) -> None:
    loop.run_forever()
    loop.close()


async def _die(client: AsyncHeliograph) -> None:
    """Sends that are on their way arrive; other calls that other threads still wait for are cancelled."""
    await client.close()
    rest = asyncio.all_tasks() - {asyncio.current_task()}
    for task in rest:
        task.cancel()
    await asyncio.gather(*rest, return_exceptions=True)
    asyncio.get_running_loop().stop()
