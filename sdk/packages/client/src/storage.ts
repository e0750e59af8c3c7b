// The copy of the newest items for the next start. Whatever the storage does (full, blocked, somebody else's content),
// the client works: the copy is a convenience, the server has the truth.

import type { Clock, KeyValueStorage } from "./ports.ts";
import type { Notification } from "./types.ts";
import { count, object, type Position, parseJson, positionOf, text } from "./wire.ts";

interface Copy {
  readonly position: Position | null;
  readonly unread: number;
  readonly notifications: readonly Notification[];
}

const FORMAT = 1;
const WRITE_WITHIN_MS = 500;

export interface Cache {
  load(key: string): Promise<Copy | null>;
  /** Writes soon, and once for a burst; `copy` is made then. */
  save(key: string, copy: () => Copy): void;
  flush(): Promise<void>;
  remove(key: string): Promise<void>;
}

/** `warn` hears once of a storage that can't be used. */
export function cacheIn(storage: KeyValueStorage | null, clock: Clock, warn: (error: unknown) => void): Cache {
  let warned = false;
  let write: (() => Promise<void>) | null = null;
  let cancel = (): void => undefined;
  const attempt = async <T>(use: (storage: KeyValueStorage) => T | Promise<T>) => {
    try {
      return storage && (await use(storage));
    } catch (error) {
      if (!warned) warn(error);
      warned = true;
      return null;
    }
  };
  const settle = () => {
    write = null;
    cancel();
  };
  const flush = async () => write?.();
  return {
    load: async (key) => parseCopy((await attempt((kept) => kept.get(key))) ?? ""),
    save: (key, copy) => {
      if (!storage) return;
      if (!write) cancel = clock.after(WRITE_WITHIN_MS, () => void flush());
      write = async () => {
        settle();
        await attempt((kept) => kept.set(key, JSON.stringify({ format: FORMAT, ...copy() })));
      };
    },
    flush,
    remove: async (key) => {
      settle();
      await attempt((kept) => kept.remove(key));
    },
  };
}

/** Written by ourselves: enough to look at what would break the client if it was somebody else's. */
function parseCopy(kept: string): Copy | null {
  const json = parseJson(kept);
  if (json?.["format"] !== FORMAT || !Array.isArray(json["notifications"])) return null;
  return {
    position: positionOf(object(json["position"])),
    unread: count(json["unread"]) ?? 0,
    notifications: json["notifications"].filter((item) => text(object(item)?.["id"]) !== null),
  };
}
