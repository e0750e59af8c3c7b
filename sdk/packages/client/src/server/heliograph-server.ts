// Sending from a back end: one, many, and the user tokens that pages need.

import { randomUUID } from "node:crypto";
import { HeliographError } from "../errors.ts";
import { type Json, object, text } from "../wire.ts";
import { Batching } from "./batching.ts";
import { Calls } from "./calls.ts";
import type { HeliographServerOptions, Outcome, Send, SendList, Sent, SentList } from "./types.ts";

const PARALLEL = 4;

/** Heliograph from a back end in Node. One for the whole process: concurrent sends then share requests. */
export class HeliographServer {
  readonly #calls: Calls;
  readonly #batching: Batching;

  constructor(options: HeliographServerOptions) {
    this.#calls = new Calls(options);
    this.#batching = new Batching(options.parallel ?? PARALLEL, (sends) => this.#deliver(sends));
  }

  /**
   * Resolves once it is on the server's disk. Repeats what may pass by itself, under one idempotency key, so that
   * nothing is sent twice. Rejects with HeliographError, which names every wrong field in `errors`.
   */
  send(message: Send): Promise<Sent>;
  send(message: SendList): Promise<SentList>;
  async send(message: Send | SendList): Promise<Sent | SentList> {
    const json = JSON.stringify(onTheWire(message));
    if (!Array.isArray(message.to)) return { id: await this.#batching.add(json) };
    const answer = await this.#calls.call("POST", "/v1/send", json);
    const ids = Array.isArray(answer["ids"]) ? answer["ids"].map(String) : [];
    return { batchId: text(answer["batch_id"]) ?? unexpected(), ids };
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
    const path = `/v1/users/${encodeURIComponent(user)}/token`;
    return text((await this.#calls.call("POST", path, JSON.stringify({ ttl_s: ttlS })))["token"]) ?? unexpected();
  }

  async #deliver(sends: readonly string[]): Promise<readonly (string | HeliographError)[]> {
    const [only = "", ...others] = sends;
    if (others.length > 0) return outcomesOf(await this.#calls.call("POST", "/v1/send/bulk", `[${sends.join()}]`));
    return [text((await this.#calls.call("POST", "/v1/send", only))["id"]) ?? unexpected()];
  }
}

/** With a key of its own unless the caller has one: every try is then the same send. */
function onTheWire({ to, actionUrl, imageUrl, collapseKey, ttlS, idempotencyKey, ...same }: Send | SendList) {
  return {
    to,
    ...same,
    action_url: actionUrl,
    image_url: imageUrl,
    collapse_key: collapseKey,
    ttl_s: ttlS,
    idempotency_key: idempotencyKey ?? randomUUID(),
  };
}

/** Of a bulk answer: ids, and errors where there is none. */
function outcomesOf(answer: Json): readonly (string | HeliographError)[] {
  const rejected = (Array.isArray(answer["rejected"]) ? answer["rejected"] : []).map(object);
  const errors = new Map(
    rejected.map((one) => [
      one?.["index"],
      new HeliographError(text(one?.["code"]) ?? "invalid", text(one?.["detail"]) ?? "refused", { status: 422 }),
    ]),
  );
  const ids: unknown[] = Array.isArray(answer["ids"]) ? answer["ids"] : unexpected();
  return ids.map((id, index) => text(id) ?? errors.get(index) ?? new HeliographError("protocol", "There is no id."));
}

function unexpected(): never {
  throw new HeliographError("protocol", "The server's answer lacks what it should have.");
}
