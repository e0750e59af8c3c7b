// HTTP calls with a server key: tries again what may pass, as late as the server asks; every refusal is a
// HeliographError. Whether a repeated send is the same send is the idempotency key's business.

import { randomInt } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { backoffMs } from "../backoff.ts";
import { HeliographError } from "../errors.ts";
import { type Method, outcomeOf, passes } from "../http.ts";
import { webTransport } from "../seams/transport.ts";
import type { Json } from "../wire.ts";
import type { HeliographServerOptions } from "./types.ts";

const TRIES = 5;
const TIMEOUT_MS = 10_000;
const LONGEST_WAIT_MS = 60_000;

export class Calls {
  readonly #options: HeliographServerOptions;
  readonly #baseUrl: string;

  constructor(options: HeliographServerOptions) {
    this.#options = options;
    this.#baseUrl = options.baseUrl.replace(/\/+$/, "");
  }

  /** `body` = JSON text. Rejects with HeliographError. */
  async call(method: Method, path: string, body: string): Promise<Json> {
    const { tries = TRIES } = this.#options;
    for (let made = 1; ; made++) {
      const outcome = await this.#once(method, path, body);
      if (!(outcome instanceof HeliographError)) return outcome;
      if (made >= tries || !passes(outcome)) throw outcome;
      const asked = (outcome.retryAfterS ?? 0) * 1000;
      await sleep(Math.min(LONGEST_WAIT_MS, asked + backoffMs(made, randomInt(1_000) / 1_000)));
    }
  }

  async #once(method: Method, path: string, body: string) {
    const { key, timeoutMs = TIMEOUT_MS, transport = webTransport() } = this.#options;
    try {
      const response = await transport.fetch(this.#baseUrl + path, {
        method,
        headers: { Authorization: `Bearer ${key}`, "Content-Type": "application/json" },
        body,
        timeoutMs,
      });
      return await outcomeOf(response);
    } catch (cause) {
      return new HeliographError("network", "The server could not be reached.", { cause });
    }
  }
}
