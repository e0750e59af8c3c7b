// The copy of the newest items for the next start. Whatever the storage does (full, blocked, somebody else's content),
// the client works: the copy is a convenience, the server has the truth.

import type { Clock, KeyValueStorage } from "./ports.ts";
import type { Notification } from "./types.ts";
import { count, object, type Position, parseJson, text } from "./wire.ts";

export interface Copy {
  readonly position: Position | null;
  readonly unread: number;
  readonly notifications: readonly Notification[];
}

const FORMAT = 1;
const WRITE_WITHIN_MS = 500;

export class Cache {
  readonly #storage: KeyValueStorage | null;
  readonly #clock: Clock;
  readonly #warn: (message: string, details?: unknown) => void;
  #warned = false;
  #write: (() => Promise<void>) | null = null;
  #cancel = (): void => undefined;

  constructor(storage: KeyValueStorage | null, clock: Clock, warn: (message: string, details?: unknown) => void) {
    this.#storage = storage;
    this.#clock = clock;
    this.#warn = warn;
  }

  async load(key: string): Promise<Copy | null> {
    return parseCopy((await this.#try((storage) => storage.get(key))) ?? "");
  }

  /** Writes soon, and once for a burst; `copy` is made then. */
  save(key: string, copy: () => Copy): void {
    if (!this.#storage) return;
    const first = this.#write === null;
    this.#write = async () => {
      this.#write = null;
      this.#cancel();
      await this.#try((storage) => storage.set(key, JSON.stringify({ format: FORMAT, ...copy() })));
    };
    if (first) this.#cancel = this.#clock.after(WRITE_WITHIN_MS, () => void this.flush());
  }

  async flush(): Promise<void> {
    await this.#write?.();
  }

  async remove(key: string): Promise<void> {
    this.#write = null;
    this.#cancel();
    await this.#try((storage) => storage.remove(key));
  }

  async #try<T>(use: (storage: KeyValueStorage) => T | Promise<T>): Promise<T | null> {
    try {
      return this.#storage && (await use(this.#storage));
    } catch (error) {
      if (!this.#warned) this.#warn("The storage can't be used; nothing is kept for the next start.", error);
      this.#warned = true;
      return null;
    }
  }
}

/** Written by ourselves: enough to look at what would break the client if it was somebody else's. */
function parseCopy(kept: string): Copy | null {
  const json = parseJson(kept);
  if (json?.["format"] !== FORMAT || !Array.isArray(json["notifications"])) return null;
  const at = object(json["position"]);
  return {
    position: text(at?.["epoch"]) !== null && count(at?.["offset"]) !== null ? (at as unknown as Position) : null,
    unread: count(json["unread"]) ?? 0,
    notifications: json["notifications"].filter((item) => text(object(item)?.["id"]) !== null),
  };
}
