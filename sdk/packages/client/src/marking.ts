// Sends a person's marks: shown at once, in order for each item, a few at a time, taken back if the server refuses.

import type { Collection, Pending } from "./collection.ts";
import type { Http } from "./http.ts";
import type { Mark } from "./marks.ts";

const AT_ONCE = 6;

export class Marking {
  readonly #collection: Collection;
  readonly #http: Http;
  /** The last mark of each item under way: the next waits for it. */
  readonly #last = new Map<string, Promise<unknown>>();
  #free = AT_ONCE;
  readonly #queue: (() => void)[] = [];

  constructor(collection: Collection, http: Http) {
    this.#collection = collection;
    this.#http = http;
  }

  /** Rejects with the first refusal; every item stands for itself. */
  async mark(ids: string | readonly string[], mark: Mark): Promise<void> {
    const all = typeof ids === "string" ? [ids] : [...new Set(ids)];
    const outcomes = await Promise.allSettled(all.map((id) => this.#one(id, mark)));
    for (const outcome of outcomes) if (outcome.status === "rejected") throw outcome.reason;
  }

  async readAll(): Promise<void> {
    const pending = this.#collection.beginReadAll(new Date().toISOString());
    await this.#send(pending, "/v1/inbox/read-all", [...this.#last.values()]);
  }

  async #one(id: string, mark: Mark): Promise<void> {
    const pending = this.#collection.begin(id, mark, new Date().toISOString());
    if (!pending) return;
    const before = [this.#last.get(id), this.#last.get("*")];
    await this.#send(pending, `/v1/inbox/${encodeURIComponent(id)}/${mark}`, before);
  }

  async #send(pending: Pending, path: string, before: readonly (Promise<unknown> | undefined)[]): Promise<void> {
    const sent = Promise.allSettled(before).then(() => this.#inTurn(() => this.#http.call("POST", path)));
    this.#last.set(pending.id, sent);
    let taken = false;
    try {
      await sent;
      taken = true;
    } finally {
      if (this.#last.get(pending.id) === sent) this.#last.delete(pending.id);
      this.#collection.end(pending, taken);
    }
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((resolve) => this.#queue.push(resolve));
    try {
      return await work();
    } finally {
      const next = this.#queue.shift();
      if (next) next();
      else this.#free++;
    }
  }
}
