// Sends a person's marks: shown at once, in order for each item, taken back if the server refuses.

import type { Collection, Pending } from "./collection.ts";
import type { Http } from "./http.ts";
import type { Mark } from "./marks.ts";

export class Marking {
  readonly #collection: Collection;
  readonly #http: Http;
  /** What is shown may be wrong: the lists should be loaded anew. */
  readonly #stale: () => void;
  /** The last mark of each item under way: the next waits for it. */
  readonly #last = new Map<string, Promise<unknown>>();

  constructor(collection: Collection, http: Http, stale: () => void) {
    this.#collection = collection;
    this.#http = http;
    this.#stale = stale;
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
    const sent = Promise.allSettled(before).then(() => this.#http.call("POST", path));
    this.#last.set(pending.id, sent);
    let taken = false;
    try {
      await sent;
      taken = true;
    } finally {
      if (this.#last.get(pending.id) === sent) this.#last.delete(pending.id);
      if (!this.#collection.end(pending, taken)) this.#stale();
    }
  }
}
