// The client of one signed-in user: the parts put together, and the names that pages and apps use.

import { Collection } from "./collection.ts";
import { devices, webPush } from "./devices.ts";
import type { HeliographError } from "./errors.ts";
import { type Call, calling } from "./http.ts";
import { LiveInbox } from "./inbox.ts";
import { type Marking, marking } from "./marking.ts";
import { LivePreferences } from "./preferences.ts";
import { Cell } from "./readable.ts";
import { environmentOfPlatform } from "./seams/environment.ts";
import { webTransport } from "./seams/transport.ts";
import { Session } from "./session.ts";
import { type Cache, cacheIn } from "./storage.ts";
import { Tokens } from "./token.ts";
import type {
  ConnectionState,
  DeepPartial,
  DeviceKind,
  HeliographEvents,
  HeliographOptions,
  Inbox,
  InboxFilter,
  Preferences,
  PreferencesSnapshot,
  PushSubscriptionJSON,
  Readable,
} from "./types.ts";
import { count } from "./wire.ts";

const KEPT_ITEMS = 50;

/** An event's name, and who wants to hear of it. */
type Listener = readonly [keyof HeliographEvents, (told: never) => void];

/**
 * Inbox, unread count, marks, preferences and devices of one user, live.
 *
 * Begins with `start()`. All lists and counts are `Readable`s: `getSnapshot()` and `subscribe()`, as React's
 * `useSyncExternalStore` takes them. Another user signs in: `stop()` this one and make another.
 */
export class Heliograph {
  readonly connection: Readable<ConnectionState>;
  /** Unread items of the whole inbox. */
  readonly unread: Readable<number> = new Cell(0);
  readonly preferences: Readable<PreferencesSnapshot> & {
    load(): Promise<void>;
    update(change: DeepPartial<Preferences>): Promise<void>;
  };
  readonly devices: {
    register(kind: DeviceKind, value: string | PushSubscriptionJSON): Promise<{ id: string }>;
    remove(id: string): Promise<void>;
  };
  readonly webPush: { publicKey(): Promise<string | null> };

  readonly #tokens: Tokens;
  readonly #call: Call;
  readonly #collection = new Collection(() => this.#changed());
  readonly #session: Session;
  readonly #marking: Marking;
  readonly #cache: Cache;
  readonly #inboxes = new Map<string, LiveInbox>();
  readonly #listeners = new Set<Listener>();

  /** Throws TypeError when `baseUrl` is no http(s) URL. */
  constructor(options: HeliographOptions) {
    const baseUrl = originOf(options.baseUrl);
    const { logger, onUnauthorized } = options;
    if (logger) this.on("warning", ({ message, details }) => logger.warn(`Heliograph: ${message}`, details));
    if (onUnauthorized) this.on("unauthorized", onUnauthorized);
    const environment = options.environment ?? environmentOfPlatform();
    const transport = options.transport ?? webTransport();
    const tokens = new Tokens(options.getToken, environment.clock);
    const refused = (error: HeliographError) => this.#session.refused(error);
    const call = calling({ baseUrl, transport, environment, tokens, refused });
    this.#tokens = tokens;
    this.#call = call;
    this.#cache = cacheIn(options.storage ?? null, environment.clock, (error) => this.#warn("Storage failed.", error));
    this.#session = new Session({
      baseUrl,
      environment,
      transport,
      tokens,
      crossTab: options.crossTab ?? true,
      device: options.device ?? null,
      collection: this.#collection,
      identified: () => this.#fromCache(),
      ready: () => this.#each((inbox) => inbox.loadOnce()),
      stale: (id) => this.#each((inbox) => (id === undefined || inbox.mayHold(id)) && inbox.revalidate()),
      arrived: (notification) => this.#emit("notification", notification),
      moved: () => this.#keep(),
      countUnread: async () => count((await call("GET", "/v1/inbox/unread"))["unread"]) ?? 0,
      refused: (error) => this.#emit("unauthorized", error),
      warn: this.#warn,
    });
    this.#marking = marking(this.#collection, call, () => this.#each((inbox) => inbox.revalidate()));
    this.connection = this.#session.connection;
    this.preferences = new LivePreferences(call);
    this.devices = devices(call);
    this.webPush = webPush(call);
  }

  /** The user's id, from the token; null before the first token. */
  get user(): string | null {
    return this.#tokens.claims.user;
  }

  /** Connects, and stays connected until `stop()`. Also ends `unauthorized`. Does nothing while it runs. */
  start(): void {
    this.#tokens.reset(null);
    this.#session.start();
  }

  /** Lists and counts stay as they are. */
  async stop(): Promise<void> {
    this.#session.stop();
    await this.#cache.flush();
  }

  /** Stops, and removes what `storage` holds of this user: for signing out. */
  async forget(): Promise<void> {
    this.#session.stop();
    await this.#cache.remove(this.#session.name);
  }

  /** A newer token of the same user. Ends `unauthorized`. */
  setToken(token: string): void {
    this.#tokens.reset(token);
    if (this.connection.getSnapshot().status === "unauthorized") this.#session.start();
  }

  /** The registered device this runs on; null = none. It gets no push while it is connected. */
  setDevice(id: string | null): void {
    this.#session.setDevice(id);
  }

  /** The live list of what the filter lets through. Equal filters share one list. */
  inbox(filter: InboxFilter = {}): Inbox {
    const { unread, category, archived = false, limit } = filter;
    const key = JSON.stringify([unread, category, archived, limit]);
    let inbox = this.#inboxes.get(key);
    if (!inbox) {
      inbox = new LiveInbox({ unread, category, archived, limit }, this.#collection, this.#call, this.#session);
      this.#inboxes.set(key, inbox);
      if (this.#session.ready) inbox.loadOnce();
    }
    return inbox;
  }

  /** Marks are shown at once, and taken back if the server refuses: then the promise rejects with HeliographError. */
  seen(ids: string | readonly string[]): Promise<void> {
    return this.#marking.mark(ids, "seen");
  }
  /** Implies seen. */
  read(ids: string | readonly string[]): Promise<void> {
    return this.#marking.mark(ids, "read");
  }
  markUnread(ids: string | readonly string[]): Promise<void> {
    return this.#marking.mark(ids, "unread");
  }
  archive(ids: string | readonly string[]): Promise<void> {
    return this.#marking.mark(ids, "archive");
  }
  unarchive(ids: string | readonly string[]): Promise<void> {
    return this.#marking.mark(ids, "unarchive");
  }
  readAll(): Promise<void> {
    return this.#marking.readAll();
  }

  /** Answers how to stop listening. */
  on<E extends keyof HeliographEvents>(event: E, listener: (told: HeliographEvents[E]) => void): () => void {
    const own: Listener = [event, listener];
    this.#listeners.add(own);
    return () => void this.#listeners.delete(own);
  }

  #emit<E extends keyof HeliographEvents>(event: E, told: HeliographEvents[E]): void {
    for (const [name, listener] of [...this.#listeners]) if (name === event) listener(told as never);
  }

  readonly #warn = (message: string, details?: unknown): void => {
    this.#emit("warning", { message, details });
  };

  #each(run: (inbox: LiveInbox) => void): void {
    for (const inbox of this.#inboxes.values()) run(inbox);
  }

  #changed(): void {
    (this.unread as Cell<number>).set(this.#collection.unread);
    this.#each((inbox) => inbox.changed());
    this.#keep();
  }

  // --- the copy for the next start ---

  async #fromCache() {
    const copy = this.user === null ? null : await this.#cache.load(this.#session.name);
    if (copy) this.#collection.restore(copy.notifications, copy.unread);
    return copy?.position ?? null;
  }

  /** One tab writes for all. */
  #keep(): void {
    if (!this.#session.leads || this.user === null) return;
    this.#cache.save(this.#session.name, () => ({
      position: this.#session.position,
      unread: this.#collection.unread,
      notifications: this.#collection.list((item) => item.archivedAt === null, null).slice(0, KEPT_ITEMS),
    }));
  }
}

function originOf(baseUrl: string): string {
  if (!/^https?:\/\/[^/?#\s]+\/*$/i.test(baseUrl)) throw new TypeError(`baseUrl: no http(s) origin: ${baseUrl}`);
  return baseUrl.replace(/\/+$/, "");
}
