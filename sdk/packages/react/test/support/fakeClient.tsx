// A client without a server: what it shows is set by the test, what is asked of it is noted.

import type {
  ConnectionState,
  Heliograph,
  HeliographError,
  InboxFilter,
  InboxSnapshot,
  Notification,
  PreferencesSnapshot,
} from "@heliograph/client";
import { render } from "@testing-library/react";
import type { ReactNode } from "react";
import { vi } from "vitest";
import { HeliographProvider, type Strings } from "../../src/hooks.ts";

export class Shown<T> {
  #value: T;
  readonly #listeners = new Set<() => void>();

  constructor(value: T) {
    this.#value = value;
  }

  readonly getSnapshot = (): T => this.#value;
  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  };
  set(value: T): void {
    this.#value = value;
    for (const listener of [...this.#listeners]) listener();
  }
  get watched(): boolean {
    return this.#listeners.size > 0;
  }
}

export function notification(id: string, more: Partial<Notification> = {}): Notification {
  return {
    id,
    type: "transactional",
    category: null,
    title: `Title ${id}`,
    body: `Body ${id}`,
    data: {},
    actionUrl: null,
    imageUrl: null,
    createdAt: new Date().toISOString(),
    seenAt: null,
    readAt: null,
    archivedAt: null,
    ...more,
  };
}

const NOTHING: InboxSnapshot = {
  notifications: [],
  unread: 0,
  hasMore: false,
  isLoading: false,
  isFetching: false,
  error: null,
};

export class FakeClient {
  readonly connection = new Shown<ConnectionState>({ status: "connected", retryAt: null, error: null, leader: true });
  readonly unread = new Shown(0);
  readonly lists = new Map<
    string,
    Shown<InboxSnapshot> & { fetchMore: () => Promise<void>; refetch: () => Promise<void> }
  >();
  readonly arrivals = new Set<(notification: Notification) => void>();
  readonly fetchMore = vi.fn(async () => {});
  readonly refetch = vi.fn(async () => {});
  readonly seen = vi.fn(async (_: string | readonly string[]) => {});
  readonly read = vi.fn(async (_: string) => {});
  readonly markUnread = vi.fn(async (_: string) => {});
  readonly archive = vi.fn(async (_: string) => {});
  readonly unarchive = vi.fn(async (_: string) => {});
  readonly readAll = vi.fn(async () => {});
  readonly preferences = Object.assign(
    new Shown<PreferencesSnapshot>({ preferences: null, isLoading: false, error: null }),
    { load: vi.fn(async () => {}), update: vi.fn(async (_: unknown) => {}) },
  );
  readonly devices = {
    register: vi.fn(async (_: string, __: unknown) => ({ id: "dev_1" })),
    remove: vi.fn(async (_: string) => {}),
  };
  readonly webPush = { publicKey: vi.fn(async (): Promise<string | null> => "AQID") };

  inbox(filter: InboxFilter = {}) {
    const key = JSON.stringify(filter);
    const found = this.lists.get(key);
    if (found) return found;
    const made = Object.assign(new Shown(NOTHING), { fetchMore: this.fetchMore, refetch: this.refetch });
    this.lists.set(key, made);
    return made;
  }

  /** What the list of this filter shows. */
  show(snapshot: Partial<InboxSnapshot>, filter: InboxFilter = {}): void {
    const { unread, category, archived, limit } = filter;
    this.inbox({ unread, category, archived, limit }).set({ ...NOTHING, ...snapshot });
  }

  on(event: string, listener: (notification: Notification) => void): () => void {
    if (event !== "notification") return () => {};
    this.arrivals.add(listener);
    return () => void this.arrivals.delete(listener);
  }

  arrive(one: Notification): void {
    for (const listener of [...this.arrivals]) listener(one);
  }

  get real(): Heliograph {
    return this as unknown as Heliograph;
  }
}

export const failure = new Error("refused") as HeliographError;

export function renderWith(client: FakeClient, children: ReactNode, strings?: Partial<Strings>) {
  return render(
    <HeliographProvider client={client.real} strings={strings}>
      {children}
    </HeliographProvider>,
  );
}
