"""Provider: Firebase Cloud Messaging, HTTP v1: one push, one request.

Reads a `PushMessage`, writes `POST {base}/v1/projects/{project}/messages:send`. What the message looks like stands in
fcm_message.py, what answers mean in fcm_codes.py, where the bearer token comes from in google_token.py. The only thing
it tries twice is a request whose token Google refused, once, with a fresh one.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, Final

import msgspec

from heliograph.core.model import PushMessage
from heliograph.core.outcomes import ProviderOutcome, Unavailable
from heliograph.core.ports import Clock
from heliograph.core.pruning import TokenDoubts
from heliograph.providers.fcm_codes import outcome_of, refusal_of
from heliograph.providers.fcm_message import request_of
from heliograph.providers.google_token import AccessToken, GoogleTokens, load_account
from heliograph.providers.http import Answer, Failed, Http
from heliograph.providers.waiting import wall_clock

KINDS: Final = frozenset({"fcm_token", "fcm_fid"})


class Fcm:
    """One Firebase project.

    Args:
        base_url: `https://fcm.googleapis.com`.
        service_account: the account's JSON file, or its content.

    Raises:
        ValueError: the service account can't be used.
    """

    name = "fcm"
    kinds: frozenset[str] = KINDS

    def __init__(
        self,
        base_url: str,
        service_account: Path | dict[str, Any],
        http: Http,
        clock: Clock = wall_clock,
    ) -> None:
        account = load_account(service_account)
        self._url = f"{base_url.rstrip('/')}/v1/projects/{account.project_id}/messages:send"
        self._tokens = GoogleTokens(account, http, clock)
        self._http = http
        self._clock = clock
        self._doubts = TokenDoubts()
        self._encode = msgspec.json.Encoder().encode

    async def send(self, message: PushMessage) -> ProviderOutcome:
        """Takes as long as one post of `http` may take, whatever has to be asked twice."""
        deadline = asyncio.get_running_loop().time() + self._http.timeout_s
        token = await self._tokens.get(deadline=deadline)
        if not isinstance(token, AccessToken):
            return token
        body = self._encode(request_of(message, self._clock()))
        answer = await self._post(token, body, deadline)
        if isinstance(answer, Answer) and _needs_fresh_token(answer):
            token = await self._tokens.get(refused=token, deadline=deadline)
            if not isinstance(token, AccessToken):
                return token
            answer = await self._post(token, body, deadline)
        if isinstance(answer, Failed):
            return Unavailable(f"fcm: {answer.cause}", unknown=answer.unknown)
        return self._doubts.judge(outcome_of(answer, self._clock()))

    async def close(self) -> None:
        await self._tokens.close()
        await self._http.close()

    async def _post(self, token: AccessToken, body: bytes, deadline: float) -> Answer | Failed:
        headers = {"Authorization": f"Bearer {token.value}", "Content-Type": "application/json"}
        return await self._http.post(self._url, headers, body, deadline)


def _needs_fresh_token(answer: Answer) -> bool:
    """Not for every 401: THIRD_PARTY_AUTH_ERROR is about credentials that Firebase holds."""
    return answer.status == 401 and refusal_of(answer).code in ("", "UNAUTHENTICATED")
