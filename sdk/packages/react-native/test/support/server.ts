// A server in memory, behind the client's transport: the inbox of one user, its live connection, its devices. Keeps what
// it was asked, and can be away or refuse.

import type { HttpRequest, HttpResponse, Socket, SocketEvents, Transport } from "@heliograph/client";

export interface Item {
  id: string;
  title: string;
  body: string;
  category: string | null;
  action_url: string | null;
  created_at: string;
  seen_at: string | null;
  read_at: string | null;
  archived_at: string | null;
}

interface Connection {
  readonly events: SocketEvents;
  connect: { token: string; device?: string; since?: object } | null;
  open: boolean;
}

const MARKED_AT = "2027-01-01T12:00:00.000Z";
const EPOCH = "e1";

export class FakeServer {
  readonly items: Item[] = [];
  readonly devices = new Map<string, { kind: string; value: string }>();
  readonly connections: Connection[] = [];
  /** `METHOD /path`, in order. */
  readonly calls: string[] = [];
  preferences: object = { channels: {}, categories: {} };
  /** No network at all: nothing answers, connections fail. */
  away = false;
  /** Connections stand and say nothing, as after a change of the network. */
  silent = false;
  /** Paths that are refused with 422. */
  refuses: RegExp | null = null;
  #offset = 0;

  readonly transport: Transport = {
    fetch: (url, request) => this.#fetch(url, request),
    connect: (_url, events) => this.#connect(events),
  };

  /** The connection that stands, if one does. */
  get live(): Connection | undefined {
    return this.connections.find((one) => one.open && one.connect);
  }

  item(id: string, fields: Partial<Item> = {}): Item {
    return {
      id,
      title: `Title ${id}`,
      body: `Body ${id}`,
      category: null,
      action_url: null,
      created_at: "2027-01-01T11:00:00.000Z",
      seen_at: null,
      read_at: null,
      archived_at: null,
      ...fields,
    };
  }

  /** Items that were there before. The greater id is the newer. */
  holds(count: number): void {
    for (let n = 1; n <= count; n++) this.items.push(this.item(`n${String(n).padStart(3, "0")}`));
  }

  arrives(item: Item): void {
    this.items.push(item);
    this.#offset++;
    this.#tell({ t: "notification", offset: this.#offset, notification: item });
  }

  /** Somebody marked it on another device. */
  marks(id: string, marks: Partial<Item>): void {
    const item = Object.assign(this.#find(id), marks);
    const { seen_at, read_at, archived_at } = item;
    this.#tell({ t: "inbox", id, seen_at, read_at, archived_at, unread: this.#unread() });
  }

  loses(code = 1006): void {
    for (const one of this.connections) {
      if (one.open) {
        one.open = false;
        one.events.close(code, "");
      }
    }
  }

  called(pattern: RegExp): string[] {
    return this.calls.filter((call) => pattern.test(call));
  }

  #tell(frame: object): void {
    this.live?.events.message(JSON.stringify(frame));
  }

  #connect(events: SocketEvents): Socket {
    const connection: Connection = { events, connect: null, open: !this.away };
    this.connections.push(connection);
    queueMicrotask(() => (connection.open ? events.open() : events.close(1006, "")));
    return {
      send: (text) => this.#received(connection, JSON.parse(text)),
      close: () => {
        connection.open = false;
      },
    };
  }

  #received(connection: Connection, frame: { t: string; token: string }): void {
    if (frame.t === "ping" && !this.silent) queueMicrotask(() => connection.events.message('{"t":"pong"}'));
    if (frame.t !== "connect" || !connection.open) return;
    if (!isReal(frame.token)) {
      connection.open = false;
      return queueMicrotask(() => connection.events.close(4401, ""));
    }
    connection.connect = frame;
    const told = { t: "connected", session: "s", epoch: EPOCH, offset: this.#offset, recovered: true };
    queueMicrotask(() =>
      connection.events.message(JSON.stringify({ ...told, unread: this.#unread(), heartbeat_s: 25 })),
    );
  }

  async #fetch(url: string, { method, headers, body }: HttpRequest): Promise<HttpResponse> {
    if (this.away) throw new Error("no network");
    const path = url.replace("https://notify.example", "");
    this.calls.push(`${method} ${path}`);
    if (!isReal(headers["Authorization"] ?? "")) return answer(401, { code: "unauthorized" });
    if (this.refuses?.test(path)) return answer(422, { code: "refused", detail: "no" });
    return this.#answer(method, path, body ? JSON.parse(body) : null);
  }

  #answer(method: string, path: string, body: { kind: string; value: string }): HttpResponse {
    const [route = "", query = ""] = path.split("?");
    if (route === "/v1/inbox")
      return answer(200, this.#page(new Map(query.split("&").map((one) => one.split("=") as [string, string]))));
    if (route === "/v1/inbox/unread") return answer(200, { unread: this.#unread() });
    if (route === "/v1/inbox/read-all") return this.#readAll();
    if (route === "/v1/preferences") return this.#preferences(method === "PUT" ? body : this.preferences);
    if (route === "/v1/devices") return this.#register(body);
    const [, , what, id = "", mark] = route.split("/");
    if (what === "devices") return answer(this.devices.delete(decodeURIComponent(id)) ? 204 : 404);
    return this.#mark(id, mark ?? "");
  }

  #page(query: Map<string, string>): object {
    const limit = Number(query.get("limit") ?? 20);
    const cursor = query.get("cursor");
    const found = [...this.items]
      .sort((one, other) => (one.id < other.id ? 1 : -1))
      .filter((item) => (item.archived_at !== null) === (query.get("archived") === "true"))
      .filter((item) => query.get("unread") !== "true" || item.read_at === null)
      .filter((item) => !query.has("category") || item.category === query.get("category"))
      .filter((item) => cursor === undefined || item.id < cursor);
    const items = found.slice(0, limit);
    return { items, next_cursor: found.length > limit ? items.at(-1)?.id : null, unread: this.#unread() };
  }

  #preferences(wanted: object): HttpResponse {
    this.preferences = wanted;
    return answer(200, wanted);
  }

  #readAll(): HttpResponse {
    for (const item of this.items) item.read_at ??= MARKED_AT;
    this.#tell({ t: "inbox", id: "*", read_at: MARKED_AT, unread: 0 });
    return answer(204);
  }

  #mark(id: string, mark: string): HttpResponse {
    const item = this.#find(id);
    const seen = { seen_at: item.seen_at ?? MARKED_AT };
    const changes: Record<string, Partial<Item>> = {
      seen,
      read: { ...seen, read_at: MARKED_AT },
      unread: { read_at: null },
      archive: { archived_at: MARKED_AT },
      unarchive: { archived_at: null },
    };
    this.marks(id, changes[mark] ?? {});
    return answer(204);
  }

  #register({ kind, value }: { kind: string; value: string }): HttpResponse {
    const id = `dev_${kind}_${value}`;
    this.devices.set(id, { kind, value });
    return answer(201, { id, kind, created_at: MARKED_AT });
  }

  #find(id: string): Item {
    const item = this.items.find((one) => one.id === id);
    if (!item) throw new Error(`no item ${id}`);
    return item;
  }

  #unread(): number {
    return this.items.filter(({ read_at, archived_at }) => !read_at && !archived_at).length;
  }
}

function answer(status: number, body?: object): HttpResponse {
  return { status, header: () => null, text: async () => (body ? JSON.stringify(body) : "") };
}

function isReal(token: string): boolean {
  return token.endsWith(".signature");
}

/** A JWT as the server makes them, for somebody. */
export function tokenOf(user: string): string {
  const claims = Buffer.from(JSON.stringify({ sub: user, tenant: "shop", iat: 1000, exp: 4600 })).toString("base64url");
  return `header.${claims}.signature`;
}
