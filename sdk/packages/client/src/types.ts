// The public nouns of the client. The wire's snake_case becomes camelCase at one place: wire.ts.

import type { HeliographError } from "./errors.ts";
import type { Environment, KeyValueStorage, Transport } from "./ports.ts";

/** `transactional` (always delivered first), `alert`, or `marketing`. */
export type NotificationType = "transactional" | "alert" | "marketing";
export type Channel = "in_app" | "push" | "email";
export type DeviceKind = "fcm_token" | "fcm_fid" | "apns" | "webpush" | "expo";

/** One item of the inbox. Times are RFC 3339 in UTC, made by the server. */
export interface Notification {
  readonly id: string;
  readonly type: NotificationType;
  readonly category: string | null;
  /** Text, never markup. */
  readonly title: string;
  /** Text, never markup. */
  readonly body: string;
  readonly data: Readonly<Record<string, unknown>>;
  /** http or https; anything else arrives here as null. */
  readonly actionUrl: string | null;
  /** http or https; anything else arrives here as null. */
  readonly imageUrl: string | null;
  readonly createdAt: string;
  readonly seenAt: string | null;
  readonly readAt: string | null;
  readonly archivedAt: string | null;
}

/**
 * `waiting`: the next try is at `retryAt`. `offline`: the device has no network; it goes on by itself.
 * `unauthorized`: the token was refused twice; it goes on after `start()` or `setToken()`.
 */
export type ConnectionStatus = "idle" | "connecting" | "connected" | "waiting" | "offline" | "unauthorized" | "closed";

export interface ConnectionState {
  readonly status: ConnectionStatus;
  /** When the next try is made, in milliseconds of this device's `Date.now()`; null unless `waiting`. */
  readonly retryAt: number | null;
  readonly error: HeliographError | null;
  /** Whether this tab holds the connection for all tabs of the user. */
  readonly leader: boolean;
}

/** A value that changes. Snapshots are immutable, and the same object until something changes (useSyncExternalStore). */
export interface Readable<T> {
  getSnapshot(): T;
  subscribe(listener: () => void): () => void;
}

export interface InboxFilter {
  readonly unread?: boolean | undefined;
  readonly category?: string | undefined;
  /** Default false: what is not archived. */
  readonly archived?: boolean | undefined;
  /** Items a page, 1 to 100. Default 20. */
  readonly limit?: number | undefined;
}

export interface InboxSnapshot {
  /** Newest first. */
  readonly notifications: readonly Notification[];
  /** Unread items of the whole inbox, whatever the filter. */
  readonly unread: number;
  readonly hasMore: boolean;
  /** Nothing to show yet. */
  readonly isLoading: boolean;
  readonly isFetching: boolean;
  readonly error: HeliographError | null;
}

export interface Inbox extends Readable<InboxSnapshot> {
  /** Loads the next page. Never rejects: a failure stands in `error`. */
  fetchMore(): Promise<void>;
  /** Loads what is shown anew. Never rejects: a failure stands in `error`. */
  refetch(): Promise<void>;
}

export interface Preferences {
  readonly channels: Readonly<Partial<Record<Channel, boolean>>>;
  readonly categories: Readonly<Record<string, Readonly<Partial<Record<Channel, boolean>>>>>;
}

export interface PreferencesSnapshot {
  /** null until loaded. */
  readonly preferences: Preferences | null;
  readonly isLoading: boolean;
  readonly error: HeliographError | null;
}

export type DeepPartial<T> = { readonly [K in keyof T]?: DeepPartial<T[K]> | undefined };

/** `PushSubscription.toJSON()` of a browser, named here without the DOM. */
export interface PushSubscriptionJSON {
  readonly endpoint?: string;
  readonly expirationTime?: number | null;
  readonly keys?: Readonly<Record<string, string>>;
}

export interface Logger {
  warn(message: string, details?: unknown): void;
}

/** What `on` tells, by event. */
export interface HeliographEvents {
  /** A notification has arrived over the live connection, now or in the gap: once each. For toasts. */
  notification: Notification;
  /** Something was ignored that should not have come. */
  warning: { readonly message: string; readonly details?: unknown };
  /** The token was refused. Once per refusal. */
  unauthorized: HeliographError;
}

export interface HeliographOptions {
  /** Where Heliograph answers, without a path: `https://notify.example`. */
  readonly baseUrl: string;
  /** The user's token. Called at start, before it expires and when it was refused; never per request. */
  readonly getToken: () => string | Promise<string>;
  /** Once per refusal; the status is `unauthorized` until `start()` or `setToken()`. */
  readonly onUnauthorized?: ((error: HeliographError) => void) | undefined;
  /** Id of this installation's registered device: it gets no push while it is connected. */
  readonly device?: string | undefined;
  /** Where the list is kept for the next start; without it, and whenever it throws, nothing is kept. */
  readonly storage?: KeyValueStorage | null | undefined;
  /** Default: the browser's, where there is one. */
  readonly environment?: Environment | undefined;
  /** Default: `fetch` and `WebSocket`. */
  readonly transport?: Transport | undefined;
  /** One connection for all tabs. Default: true where Web Locks and BroadcastChannel exist. */
  readonly crossTab?: boolean | undefined;
  readonly logger?: Logger | undefined;
}
