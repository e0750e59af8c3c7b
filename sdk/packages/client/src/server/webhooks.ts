// Webhooks that Heliograph sends, checked as Standard Webhooks says (https://www.standardwebhooks.com): HMAC-SHA256 of
// `id.timestamp.body`, five minutes of tolerance.

import { Webhook } from "standardwebhooks";
import { HeliographError } from "../errors.ts";

/** Header names in lower case, as Node has them; a value that came more than once is none. */
export type WebhookHeaders = Readonly<Record<string, string | readonly string[] | undefined>>;

/**
 * The content of a webhook that is genuine and not old.
 *
 * `body` is the request's body as it came: parsed and printed again it has another signature. `secret` begins with
 * `whsec_`. Throws HeliographError with code `invalid_signature`.
 */
export function verifyWebhook(body: string | Uint8Array, headers: WebhookHeaders, secret: string): unknown {
  const names = ["webhook-id", "webhook-timestamp", "webhook-signature"] as const;
  const given = names.flatMap((name) => (typeof headers[name] === "string" ? [[name, headers[name]]] : []));
  try {
    return new Webhook(secret).verify(new TextDecoder().decode(bytesOf(body)), Object.fromEntries(given));
  } catch (cause) {
    throw new HeliographError("invalid_signature", "The webhook's signature doesn't fit.", { status: 401, cause });
  }
}

function bytesOf(body: string | Uint8Array): Uint8Array {
  return typeof body === "string" ? new TextEncoder().encode(body) : body;
}
