// Sending from a back end: one, many, and the user tokens that pages need.

import { randomUUID } from "node:crypto";
import { HeliographError } from "../errors.ts";
import { text } from "../wire.ts";
import { Batching } from "./batching.ts";
import { Calls } from "./calls.ts";
import type { Content, HeliographServerOptions, Outcome, Recipient, Send, SendList, Sent, SentList } from "./types.ts";

const PARALLEL = 8;

/** Heliograph from a back end in Node. One for the whole process: concurrent sends then share requests. */
export class HeliographServer {
  readonly #calls: Calls;
  readonly #batching: Batching<Content, Recipient>;

  constructor(options: HeliographServerOptions) {
    this.#calls = new Calls(options);
    this.#batching = new Batching(options.parallel ?? PARALLEL, (content, to) => this.#deliver(content, to));
  }

  /**
   * Resolves once it is on the server's disk. Repeats what may pass by itself, under one idempotency key, so that
   * nothing is sent twice. Rejects with HeliographError, which names every wrong field in `errors`.
   */
  send(message: Send): Promise<Sent>;
  send(message: SendList): Promise<SentList>;
  async send(message: Send | SendList): Promise<Sent | SentList> {
    const { to, ...content } = message;
    if (isList(to)) return this.#list(content, to);
    // A key of the caller's belongs to a request of its own.
    if (content.idempotencyKey !== undefined) return { id: await this.#one(content, to) };
    return { id: await this.#batching.add(content, to) };
  }

  /** Many different sends: an outcome for each, in their order. Never rejects. */
  async sendMany(messages: readonly Send[]): Promise<Outcome[]> {
    return Promise.all(
      messages.map(async (message): Promise<Outcome> => {
        try {
          return { id: (await this.send(message)).id, error: null };
        } catch (error) {
          return { id: null, error: error as HeliographError };
        }
      }),
    );
  }

  /** A token for the user's page or app: what its `getToken` answers. Default an hour. */
  async userToken(user: string, ttlS = 3_600): Promise<string> {
    const answer = await this.#calls.call("POST", `/v1/users/${encodeURIComponent(user)}/token`, { ttl_s: ttlS });
    return text(answer["token"]) ?? unexpected();
  }

  async #deliver(content: Content, to: readonly Recipient[]): Promise<readonly string[]> {
    const [only, ...others] = to;
    if (only !== undefined && others.length === 0) return [await this.#one(content, only)];
    return (await this.#list(content, to)).ids;
  }

  async #one(content: Content, to: Recipient): Promise<string> {
    return text((await this.#post(content, to))["id"]) ?? unexpected();
  }

  async #list(content: Content, to: readonly Recipient[]): Promise<SentList> {
    const answer = await this.#post(content, to);
    const ids = Array.isArray(answer["ids"]) ? answer["ids"].filter((id) => typeof id === "string") : [];
    return { batchId: text(answer["batch_id"]) ?? unexpected(), ids };
  }

  #post({ idempotencyKey = randomUUID(), ...content }: Content, to: Recipient | readonly Recipient[]) {
    const { actionUrl, imageUrl, collapseKey, ttlS, ...same } = content;
    const body = { to, ...same, action_url: actionUrl, image_url: imageUrl, collapse_key: collapseKey, ttl_s: ttlS };
    return this.#calls.call("POST", "/v1/send", body, { "Idempotency-Key": idempotencyKey });
  }
}

function isList(to: Recipient | readonly Recipient[]): to is readonly Recipient[] {
  return Array.isArray(to);
}

function unexpected(): never {
  throw new HeliographError("protocol", "The server's answer lacks what it should have.");
}
