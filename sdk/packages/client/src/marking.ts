// Sends a person's marks: shown at once, in order for each item, taken back if the server refuses.

import type { Collection, Pending } from "./collection.ts";
import type { Call } from "./http.ts";
import type { Mark } from "./marks.ts";

export interface Marking {
  /** Rejects with the first refusal; every item stands for itself. */
  mark(ids: string | readonly string[], mark: Mark): Promise<void>;
  readAll(): Promise<void>;
}

/** `stale`: what is shown may be wrong, the lists should be loaded anew. */
export function marking(collection: Collection, call: Call, stale: () => void): Marking {
  /** The last mark of each item under way: the next waits for it. */
  const last = new Map<string, Promise<unknown>>();
  const now = () => new Date().toISOString();
  const send = async (pending: Pending, path: string, before: readonly (Promise<unknown> | undefined)[]) => {
    const sent = Promise.allSettled(before).then(() => call("POST", `/v1/inbox/${path}`));
    last.set(pending.id, sent);
    let taken = false;
    try {
      await sent;
      taken = true;
    } finally {
      if (last.get(pending.id) === sent) last.delete(pending.id);
      if (!collection.end(pending, taken)) stale();
    }
  };
  const one = async (id: string, mark: Mark) => {
    const pending = collection.begin(id, mark, now());
    if (pending) await send(pending, `${encodeURIComponent(id)}/${mark}`, [last.get(id), last.get("*")]);
  };
  return {
    mark: async (ids, mark) => {
      const all = typeof ids === "string" ? [ids] : [...new Set(ids)];
      const outcomes = await Promise.allSettled(all.map((id) => one(id, mark)));
      for (const outcome of outcomes) if (outcome.status === "rejected") throw outcome.reason;
    },
    readAll: () => send(collection.beginReadAll(now()), "read-all", [...last.values()]),
  };
}
