// One live list of the inbox: a filter, how far it has been loaded, and the items of the collection in between.

import type { Collection } from "./collection.ts";
import { asError, type HeliographError } from "./errors.ts";
import { type Call, passes } from "./http.ts";
import { Cell } from "./readable.ts";
import type { Session } from "./session.ts";
import type { Inbox, InboxFilter, InboxSnapshot, Notification } from "./types.ts";
import { count, parseItem, text } from "./wire.ts";

const PAGE = 20;
const LARGEST_PAGE = 100;
/** A list that grew longer is cut to this when it must be loaded anew; the rest comes with `fetchMore`. */
const LARGEST_RELOAD = 1_000;

export class LiveInbox implements Inbox {
  readonly #filter: InboxFilter;
  readonly #collection: Collection;
  readonly #call: Call;
  readonly #session: Pick<Session, "doubt" | "later">;
  /** Another number whenever the snapshot is another one. */
  readonly #changes = new Cell(0);
  /** The oldest id that is loaded; null = all, or nothing yet. */
  #from: string | null = null;
  #cursor: string | null = null;
  #loaded = false;
  /** What is shown may be out of date, and nobody looks at it. */
  #stale = true;
  #running = 0;
  #queue: Promise<void> = Promise.resolve();
  #waiting: Promise<void> | null = null;
  #more: Promise<void> | null = null;
  #error: HeliographError | null = null;
  #snapshot: InboxSnapshot | null = null;
  #version = -1;

  constructor(filter: InboxFilter, collection: Collection, call: Call, session: Pick<Session, "doubt" | "later">) {
    this.#filter = filter;
    this.#collection = collection;
    this.#call = call;
    this.#session = session;
  }

  readonly getSnapshot = (): InboxSnapshot => {
    if (!this.#snapshot || this.#version !== this.#collection.version) this.#snapshot = this.#draw();
    return this.#snapshot;
  };

  readonly subscribe = (listener: () => void): (() => void) => {
    if (this.#stale && this.#loaded) void this.refetch();
    return this.#changes.subscribe(listener);
  };

  readonly refetch = (): Promise<void> => {
    // One that has not begun yet will do for everybody who asks meanwhile.
    this.#waiting ??= this.#enqueue(async () => {
      this.#waiting = null;
      // Until it has been loaded well; what fails is tried again by itself.
      this.#stale = true;
      await this.#reload();
      this.#stale = false;
    });
    return this.#waiting;
  };

  readonly fetchMore = (): Promise<void> => {
    this.#more ??= this.#enqueue(async () => {
      if (this.#cursor === null) return;
      const [, next] = await this.#fetch(this.#cursor, this.#filter.limit ?? PAGE);
      this.#reach(next);
    }).finally(() => {
      this.#more = null;
    });
    return this.#more;
  };

  /** Something may have been missed: loads anew what somebody looks at, and the rest once somebody does. */
  revalidate(): void {
    if (this.#changes.listened || !this.#loaded) void this.refetch();
    else this.#stale = true;
  }

  /** Loads unless it has been, or is about to be. */
  loadOnce(): void {
    if (!this.#loaded && !this.#waiting && this.#running === 0) void this.refetch();
  }

  /** The collection changed. */
  changed(): void {
    this.#changes.set(this.#changes.getSnapshot() + 1);
  }

  /** Whether an item that isn't known could stand in what is loaded. */
  mayHold(id: string): boolean {
    return this.#loaded && (this.#from === null || id >= this.#from);
  }

  readonly #matches = (item: Notification): boolean => {
    const { unread, category, archived = false } = this.#filter;
    if ((item.archivedAt !== null) !== archived) return false;
    if (unread !== undefined && (item.readAt === null) !== unread) return false;
    return category === undefined || item.category === category;
  };

  #draw(): InboxSnapshot {
    const collection = this.#collection;
    this.#version = collection.version;
    const notifications = collection.list(this.#matches, this.#from);
    return {
      notifications,
      unread: collection.unread,
      hasMore: this.#cursor !== null,
      isLoading: !this.#loaded && this.#error === null && notifications.length === 0,
      isFetching: this.#running > 0,
      error: this.#error,
    };
  }

  /** One after the other: pages of two requests must not mix. */
  #enqueue(work: () => Promise<void>): Promise<void> {
    this.#running++;
    this.#redraw();
    this.#queue = this.#queue.then(async () => {
      try {
        await work();
        this.#error = null;
      } catch (error) {
        this.#error = asError(error);
        if (passes(this.#error)) this.#session.later(() => this.#stale && this.revalidate());
      }
      this.#running--;
      this.#redraw();
    });
    return this.#queue;
  }

  #redraw(): void {
    this.#snapshot = null;
    this.changed();
  }

  /** All that was loaded and what has come above it. Until everything is there, the old stays in sight. */
  async #reload(): Promise<void> {
    const size = this.#filter.limit ?? PAGE;
    const loaded = this.#loaded;
    const until = this.#from;
    let room = LARGEST_RELOAD;
    let limit = loaded ? Math.min(Math.max(size, this.getSnapshot().notifications.length), LARGEST_PAGE) : size;
    let cursor: string | null = null;
    do {
      const [found, next]: [number, string | null] = await this.#fetch(cursor, limit);
      [room, cursor, limit] = [room - found, next, LARGEST_PAGE];
    } while (loaded && cursor !== null && room > 0 && (until === null || cursor > until));
    this.#reach(cursor);
  }

  /** Loads a page into the collection; answers how many items it has and where the next begins. */
  async #fetch(below: string | null, limit: number): Promise<[number, string | null]> {
    const collection = this.#collection;
    const since = collection.moment();
    const answer = await this.#call("GET", this.#path(below, limit));
    const items = (Array.isArray(answer["items"]) ? answer["items"] : [])
      .map(parseItem)
      .filter((item) => item !== null);
    const next = text(answer["next_cursor"]);
    const unread = count(answer["unread"]) ?? collection.unread;
    const merge = collection.page(since, items, this.#matches, { below, from: next }, unread);
    if (!merge.counted) this.#session.doubt();
    if (!merge.settled) void this.refetch();
    return [items.length, next];
  }

  /** Everything above `cursor` is loaded; null = everything. */
  #reach(cursor: string | null): void {
    this.#cursor = cursor;
    this.#from = cursor;
    this.#loaded = true;
    this.#redraw();
  }

  #path(cursor: string | null, limit: number): string {
    const { unread, category, archived } = this.#filter;
    const query = Object.entries({ limit, cursor, unread, category, archived })
      .filter(([, value]) => value !== undefined && value !== null)
      .map(([name, value]) => `${name}=${encodeURIComponent(String(value))}`);
    return `/v1/inbox?${query.join("&")}`;
  }
}
