"""Whether a webhook comes from Heliograph: the Standard Webhooks signature (standardwebhooks.com), by its library.

Reads headers and body as they came; answers the decoded JSON. Never calls anybody.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from standardwebhooks import Webhook, WebhookVerificationError
from standardwebhooks.webhooks import EmptyWebhookSecretError

from heliograph.client.errors import WebhookRefused


def verify_webhook(secret: str, headers: Mapping[str, str], body: bytes) -> Any:
    """The JSON of a webhook that was signed with your secret during the last five minutes.

    Args:
        secret: `whsec_…`.
        headers: of the request, in any case: `webhook-id`, `webhook-timestamp` and `webhook-signature` are read.
        body: as it came: JSON that was decoded and encoded again has another signature.

    Raises:
        WebhookRefused: it isn't signed, not by this secret, or not lately. Answer 401 and do nothing.
        ValueError: the secret can't be one.
    """
    try:
        webhook = Webhook(secret)
    except (EmptyWebhookSecretError, ValueError) as error:
        raise ValueError("not a webhook secret") from error
    try:
        webhook.verify(body, dict(headers), json_parse=False)
        return msgspec.json.decode(body)
    except WebhookVerificationError as error:
        raise WebhookRefused(str(error), code="unauthorized") from error
    except ValueError as error:  # the library parses before it compares: no base64, no comma, no UTF-8; or no JSON
        raise WebhookRefused(f"malformed: {error}", code="unauthorized") from error
