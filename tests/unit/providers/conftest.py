"""An HTTP pool that answers from a script, and what providers are given to send."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import pytest
from multidict import CIMultiDict

from heliograph.core.model import Mail
from heliograph.providers.http import Answer, Failed


class Request(msgspec.Struct):
    url: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.body)


class ScriptedHttp:
    """Stands in for `Http`: remembers requests and gives the answers it was told to."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.answers: list[Answer | Failed] = []
        self.closed = False
        self.timeout_s = 10.0

    async def post(
        self, url: str, headers: Mapping[str, str], body: bytes, deadline: float | None = None
    ) -> Answer | Failed:
        self.requests.append(Request(url, headers, body))
        return self.answers.pop(0)

    async def close(self) -> None:
        self.closed = True


MakeAnswer = Callable[..., Answer]


def make_answer(status: int, body: Any = b"", **headers: str) -> Answer:
    """`body` as bytes, or as what its JSON is; header names with _ for -."""
    raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
    return Answer(status, CIMultiDict({name.replace("_", "-"): value for name, value in headers.items()}), raw)


@pytest.fixture
def answer() -> MakeAnswer:
    return make_answer


@pytest.fixture
def http() -> ScriptedHttp:
    return ScriptedHttp()


@pytest.fixture
def mail() -> Mail:
    return Mail(
        to="zoe@x.example",
        to_name="Zoë",
        subject="Your order has shipped",
        text="It left.",
        html="<p>It left.</p>",
        args={"hg_id": "ntf_1", "hg_tenant": "shop", "hg_target": "email", "hg_gen": "0", "hg_attempt": "1"},
    )
