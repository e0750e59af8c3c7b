// The client of one signed-in user: the parts put together.

import { Cell } from "./readable.ts";
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

export class Heliograph {
  readonly connection: Readable<ConnectionState> = new Cell<ConnectionState>({
    status: "idle",
    retryAt: null,
    error: null,
    leader: false,
  });
  readonly unread: Readable<number> = new Cell(0);
  readonly options: HeliographOptions;
  readonly preferences: Readable<PreferencesSnapshot> & {
    load(): Promise<void>;
    update(change: DeepPartial<Preferences>): Promise<void>;
  };
  readonly devices: {
    register(kind: DeviceKind, value: string | PushSubscriptionJSON): Promise<{ id: string }>;
    remove(id: string): Promise<void>;
  };
  readonly webPush: { publicKey(): Promise<string | null> };

  constructor(options: HeliographOptions) {
    this.options = options;
    const preferences = new Cell<PreferencesSnapshot>({ preferences: null, isLoading: false, error: null });
    this.preferences = Object.assign(preferences, { load: notYet, update: notYet });
    this.devices = { register: notYet, remove: notYet };
    this.webPush = { publicKey: notYet };
  }

  /** The `sub` of the token; null before the first token. */
  get user(): string | null {
    return null;
  }

  start(): void {}
  async stop(): Promise<void> {}
  /** Stops, and removes what `storage` holds of this user: for signing out. */
  async forget(): Promise<void> {}
  /** A token from outside; ends `unauthorized`. */
  setToken(_token: string): void {}

  inbox(_filter: InboxFilter = {}): Inbox {
    const cell = new Cell({
      notifications: [],
      unread: 0,
      hasMore: false,
      isLoading: true,
      isFetching: false,
      error: null,
    });
    return { getSnapshot: cell.getSnapshot, subscribe: cell.subscribe, fetchMore: notYet, refetch: notYet };
  }

  seen(_ids: string | readonly string[]): Promise<void> {
    return notYet();
  }
  read(_ids: string | readonly string[]): Promise<void> {
    return notYet();
  }
  markUnread(_ids: string | readonly string[]): Promise<void> {
    return notYet();
  }
  archive(_ids: string | readonly string[]): Promise<void> {
    return notYet();
  }
  unarchive(_ids: string | readonly string[]): Promise<void> {
    return notYet();
  }
  readAll(): Promise<void> {
    return notYet();
  }

  on<E extends keyof HeliographEvents>(_event: E, _listener: (told: HeliographEvents[E]) => void): () => void {
    return () => undefined;
  }
}

async function notYet(): Promise<never> {
  throw new Error("this part is being built");
}
