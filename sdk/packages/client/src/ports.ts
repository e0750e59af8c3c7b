// The two seams to the platform, as interfaces without any of its types: transport (how bytes travel) and environment
// (clock, network, focus, tabs). Implemented in seams/; everything else in the package knows only what stands here.

export interface HttpRequest {
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | undefined;
  /** The request fails after this many milliseconds. */
  readonly timeoutMs: number;
}

export interface HttpResponse {
  readonly status: number;
  header(name: string): string | null;
  text(): Promise<string>;
}

export interface SocketEvents {
  open(): void;
  message(text: string): void;
  /** Exactly once, also when it never opened. 1006 = without a close frame. */
  close(code: number, reason: string): void;
}

export interface Socket {
  send(text: string): void;
  /** `events.close` may come much later, or never. */
  close(code?: number): void;
}

export interface Transport {
  /** Rejects when there is no answer; every status is an answer. */
  fetch(url: string, request: HttpRequest): Promise<HttpResponse>;
  /** `ws:` or `wss:` URL. Never throws: what fails is told by `events.close`. */
  connect(url: string, events: SocketEvents): Socket;
}

export interface Clock {
  /** Milliseconds since some moment; never jumps. */
  now(): number;
  /** Runs once after `ms`; the answer cancels it. */
  after(ms: number, run: () => void): () => void;
}

/** `suspend`: the app went to the background for longer, the connection is given up until `focus`. */
export type Signal = "online" | "offline" | "focus" | "suspend";

/** What tabs of one browser share. */
export interface Tabs {
  /** Runs `hold` while this tab alone holds the lock; resolves when `hold` has ended, or `cancelled` before its turn. */
  lock(name: string, hold: () => Promise<void>, cancelled: Promise<void>): Promise<void>;
  /** Messages reach the other tabs in the order of posting, never the own one. */
  channel(name: string, receive: (message: unknown) => void): Channel;
}

export interface Channel {
  post(message: unknown): void;
  close(): void;
}

export interface Environment {
  readonly clock: Clock;
  /** 0 ≤ n < 1 */
  random(): number;
  /** false = certainly without network. */
  isOnline(): boolean;
  listen(listener: (signal: Signal) => void): () => void;
  /** null = no tabs, or no way to talk to them. */
  readonly tabs: Tabs | null;
}

/** Small and simple: localStorage, AsyncStorage, MMKV. */
export interface KeyValueStorage {
  get(key: string): string | null | undefined | Promise<string | null | undefined>;
  set(key: string, value: string): void | Promise<void>;
  remove(key: string): void | Promise<void>;
}
