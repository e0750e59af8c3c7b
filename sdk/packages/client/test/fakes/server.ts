// A model of the server: one user's inbox and stream, the HTTP calls of the client and the WebSocket, after docs/api.md.
// Frames wait in `outbox` until the test delivers them, so that it can lose, double and reorder them.

import type { HttpRequest, HttpResponse, Socket, SocketEvents, Transport } from "../../src/ports.ts";

export interface Item {
  id: string;
  type: string;
  category: string | null;
  title: string;
  body: string;
  data: Record<string, unknown>;
  action_url: string | null;
  created_at: string;
  seen_at: string | null;
  read_at: string | null;
  archived_at: string | null;
}

type Json = Record<string, unknown>;

export function tokenOf(user: string, claims: Json = {}): string {
  const part = (json: Json) => Buffer.from(JSON.stringify(json)).toString("base64url");
  return `${part({ alg: "HS256" })}.${part({ sub: user, tenant: "default", aud: "heliograph", ...claims })}.signature`;
}

export class Connection {
  readonly outbox: Json[] = [];
  readonly received: Json[] = [];
  live = false;
  open = true;
  readonly events: SocketEvents;

  constructor(events: SocketEvents) {
    this.events = events;
  }

  /** Gives the client the frames that wait. */
  flush(): void {
    for (const frame of this.outbox.splice(0)) this.deliver(frame);
  }

  deliver(frame: Json | string): void {
    if (this.open) this.events.message(typeof frame === "string" ? frame : JSON.stringify(frame));
  }

  /** The client hears of the end; what waited is lost. */
  end(code: number): void {
    if (!this.open) return;
    this.open = false;
    this.live = false;
    this.outbox.length = 0;
    this.events.close(code, "");
  }
}

export class FakeServer implements Transport {
  readonly items = new Map<string, Item>();
  readonly connections: Connection[] = [];
  readonly requests: string[] = [];
  epoch = "epoch-1";
  readonly stream: { offset: number; item: Item }[] = [];
  offset = 0;
  /** Tokens that are good; null = all. */
  accepted: Set<string> | null = null;
  /** Answers in the place of the API's own, by `METHOD path` or for all (`*`). */
  readonly faults = new Map<string, () => Partial<HttpResponse> & { body?: Json | string }>();
  /** No connection and no request gets through. */
  down = false;
  /** How long an answer is under way, after it was made. */
  travel: () => Promise<void> = async () => undefined;
  /** Frames are delivered as they are made. */
  immediate = true;
  #minutes = 0;
  #made = 0;
  preferences: Json = { channels: {}, categories: {} };
  readonly devices: Json[] = [];

  // --- what happens there ---

  /** Stored, and perhaps not yet in the stream: `arrive` puts it there. */
  store(title: string, fields: Partial<Item> = {}): Item {
    const id = `ntf_${String(this.#made++).padStart(6, "0")}`;
    const made: Item = {
      id,
      type: "alert",
      category: null,
      title,
      body: "",
      data: {},
      action_url: null,
      created_at: this.#time(),
      seen_at: null,
      read_at: null,
      archived_at: null,
      ...fields,
    };
    this.items.set(id, made);
    return made;
  }

  arrive(item: Item): void {
    this.offset++;
    this.stream.push({ offset: this.offset, item: { ...item } });
    this.#tell({ t: "notification", offset: this.offset, notification: { ...item } });
  }

  send(title: string, fields: Partial<Item> = {}): Item {
    const item = this.store(title, fields);
    this.arrive(item);
    return item;
  }

  mark(id: string, mark: string): boolean {
    const item = this.items.get(id);
    if (!item) return false;
    const now = this.#time();
    if (mark === "seen" || mark === "read") item.seen_at ??= now;
    if (mark === "read") item.read_at ??= now;
    if (mark === "unread") item.read_at = null;
    if (mark === "archive") item.archived_at ??= now;
    if (mark === "unarchive") item.archived_at = null;
    const { seen_at, read_at, archived_at } = item;
    this.#tell({ t: "inbox", id, seen_at, read_at, archived_at, unread: this.unread });
    return true;
  }

  readAll(): void {
    if (this.unread === 0) return;
    const now = this.#time();
    for (const item of this.items.values()) {
      if (item.read_at !== null || item.archived_at !== null) continue;
      item.read_at = now;
      item.seen_at ??= now;
    }
    this.#tell({ t: "inbox", id: "*", read_at: now, unread: this.unread });
  }

  /** The cache is gone: nothing can be resumed. */
  loseStream(): void {
    this.epoch = `epoch-${Number(this.epoch.split("-")[1]) + 1}`;
    this.stream.length = 0;
    this.offset = 0;
    for (const one of this.connections) one.end(1012);
  }

  get unread(): number {
    return [...this.items.values()].filter((item) => item.read_at === null && item.archived_at === null).length;
  }

  listed(query: { archived?: boolean; unread?: boolean; category?: string } = {}): Item[] {
    return [...this.items.values()]
      .filter((item) => (item.archived_at !== null) === (query.archived ?? false))
      .filter((item) => query.unread === undefined || (item.read_at === null) === query.unread)
      .filter((item) => query.category === undefined || item.category === query.category)
      .sort((one, other) => (one.id < other.id ? 1 : -1));
  }

  get open(): Connection[] {
    return this.connections.filter((one) => one.open);
  }

  /** The only open connection. */
  get connection(): Connection {
    const [one, ...others] = this.open;
    if (!one || others.length > 0) throw new Error(`${this.open.length} connections are open`);
    return one;
  }

  #tell(frame: Json): void {
    for (const one of this.connections) {
      if (!one.live) continue;
      one.outbox.push(frame);
      if (this.immediate) one.flush();
    }
  }

  #time(): string {
    this.#minutes++;
    return new Date(Date.UTC(2030, 0, 1) + this.#minutes * 60_000).toISOString();
  }

  // --- the WebSocket ---

  connect(_url: string, events: SocketEvents): Socket {
    if (this.down) {
      queueMicrotask(() => events.close(1006, ""));
      return { send: () => undefined, close: () => undefined };
    }
    const one = new Connection(events);
    this.connections.push(one);
    queueMicrotask(() => one.open && events.open());
    return {
      send: (text) => one.open && this.#received(one, JSON.parse(text)),
      close: () => {
        one.open = false;
        one.live = false;
      },
    };
  }

  #received(one: Connection, frame: Json): void {
    one.received.push(frame);
    if (frame["t"] === "ping") one.deliver({ t: "pong" });
    if (frame["t"] === "connect") this.#opened(one, frame);
  }

  #opened(one: Connection, frame: Json): void {
    if (!this.#accepts(String(frame["token"]))) return one.end(4401);
    const since = frame["since"] as { epoch: string; offset: number } | undefined;
    const recovered = since?.epoch === this.epoch && since.offset <= this.offset;
    for (const { offset, item } of recovered ? this.stream : []) {
      if (offset > (since?.offset ?? 0)) one.outbox.push({ t: "notification", offset, notification: item });
    }
    const { epoch, offset, unread } = this;
    one.outbox.push({ t: "connected", session: "s", epoch, offset, recovered, unread, heartbeat_s: 25 });
    one.live = true;
    if (this.immediate) one.flush();
  }

  #accepts(token: string): boolean {
    return this.accepted?.has(token) ?? true;
  }

  // --- the HTTP API ---

  async fetch(url: string, request: HttpRequest): Promise<HttpResponse> {
    const { pathname, searchParams, origin } = new URL(url);
    const name = `${request.method} ${pathname}`;
    this.requests.push(url.slice(origin.length).replace(/^/, `${request.method} `));
    if (this.down) throw new TypeError("fetch failed");
    const fault = this.faults.get(name) ?? this.faults.get("*");
    if (fault) {
      const { status = 500, body = {}, header = () => null } = fault();
      return answer(status, body, header);
    }
    if (!this.#accepts((request.headers["Authorization"] ?? "").replace("Bearer ", ""))) {
      return answer(401, { code: "unauthorized", title: "Unauthorized", detail: "No.", errors: [] });
    }
    const made = this.#route(name, searchParams, request.body === undefined ? null : JSON.parse(request.body));
    await this.travel();
    return made;
  }

  #route(name: string, query: URLSearchParams, body: Json | null): HttpResponse {
    const mark = /^POST \/v1\/inbox\/([^/]+)\/(\w+)$/.exec(name);
    if (mark) return this.mark(mark[1] ?? "", mark[2] ?? "") ? answer(204, "") : notFound();
    switch (name) {
      case "GET /v1/inbox":
        return this.#page(query);
      case "GET /v1/inbox/unread":
        return answer(200, { unread: this.unread });
      case "POST /v1/inbox/read-all":
        this.readAll();
        return answer(204, "");
      case "GET /v1/preferences":
        return answer(200, this.preferences);
      case "PUT /v1/preferences":
        this.preferences = body ?? {};
        return answer(200, this.preferences);
      case "POST /v1/devices":
        this.devices.push(body ?? {});
        return answer(201, { id: `dev_${this.devices.length}` });
      case "DELETE /v1/devices/dev_1":
        return answer(204, "");
      default:
        return notFound();
    }
  }

  #page(query: URLSearchParams): HttpResponse {
    const flag = (name: string) => (query.has(name) ? query.get(name) === "true" : undefined);
    const [unread, archived, category] = [flag("unread"), flag("archived"), query.get("category")];
    const found = this.listed({
      ...(unread !== undefined && { unread }),
      ...(archived !== undefined && { archived }),
      ...(category !== null && { category }),
    }).filter(({ id }) => !query.has("cursor") || id < String(query.get("cursor")));
    const limit = Number(query.get("limit") ?? 20);
    const page = found.slice(0, limit).map((item) => ({ ...item }));
    const next = found.length > limit ? (page.at(-1)?.id ?? null) : null;
    return answer(200, { items: page, next_cursor: next, unread: this.unread });
  }
}

function notFound(): HttpResponse {
  return answer(404, { code: "not_found", title: "Not found", detail: "There is no such thing.", errors: [] });
}

function answer(
  status: number,
  body: Json | string,
  header: (name: string) => string | null = () => null,
): HttpResponse {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  return { status, header, text: async () => text };
}
