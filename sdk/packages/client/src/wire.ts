// The wire's JSON to the client's nouns, and back: the only place that knows snake_case. What comes from outside is
// checked here; what doesn't fit is answered as null or as a reason, never thrown.

import type { Notification, NotificationType } from "./types.ts";

/** A place in the user's stream. */
export interface Position {
  readonly epoch: string;
  readonly offset: number;
}

/** The marks of one item, all of them. */
export type Marks = Pick<Notification, "seenAt" | "readAt" | "archivedAt">;

export interface Connected {
  readonly t: "connected";
  readonly position: Position;
  readonly recovered: boolean;
  /** null = the server couldn't ask its store. */
  readonly unread: number | null;
  readonly heartbeatS: number;
}
export interface Arrival {
  readonly t: "notification";
  readonly offset: number;
  /** null = unreadable: its place in the stream counts all the same. */
  readonly notification: Notification | null;
}
export interface Marked {
  readonly t: "inbox";
  readonly id: string;
  readonly marks: Marks;
  readonly unread: number | null;
}
/** Everything that was unread is read. */
export interface AllRead {
  readonly t: "all_read";
  readonly at: string;
  readonly unread: number | null;
}
export interface Depart {
  readonly t: "reconnect";
  readonly afterMs: number;
}
export type Frame = Connected | Arrival | Marked | AllRead | Depart | { readonly t: "ping" | "pong" };

export type Json = Readonly<Record<string, unknown>>;

const TYPES: readonly NotificationType[] = ["transactional", "alert", "marketing"];
const DEFAULT_HEARTBEAT_S = 25;

export function parseJson(text: string): Json | null {
  try {
    return object(JSON.parse(text));
  } catch {
    return null;
  }
}

/** A frame of the server; null = nothing that this client understands. */
export function parseFrame(text: string): Frame | null {
  const json = parseJson(text);
  switch (json?.["t"]) {
    case "ping":
    case "pong":
      return { t: json["t"] };
    case "connected":
      return connected(json);
    case "notification":
      return isCount(json["offset"])
        ? { t: "notification", offset: json["offset"], notification: parseItem(json["notification"]) }
        : null;
    case "inbox":
      return inboxChange(json);
    case "reconnect":
      return { t: "reconnect", afterMs: isCount(json["after_ms"]) ? json["after_ms"] : 0 };
    default:
      return null;
  }
}

function connected(json: Json): Connected | null {
  const { epoch, offset, unread, heartbeat_s: heartbeat } = json;
  if (typeof epoch !== "string" || !isCount(offset)) return null;
  const heartbeatS = typeof heartbeat === "number" && heartbeat > 0 ? heartbeat : DEFAULT_HEARTBEAT_S;
  const position = { epoch, offset };
  return { t: "connected", position, recovered: json["recovered"] === true, unread: count(unread), heartbeatS };
}

function inboxChange(json: Json): Marked | AllRead | null {
  const { id, read_at: readAt } = json;
  const unread = count(json["unread"]);
  if (id === "*") return typeof readAt === "string" ? { t: "all_read", at: readAt, unread } : null;
  return typeof id === "string" ? { t: "inbox", id, marks: marksOf(json), unread } : null;
}

/** An inbox item; null without a usable id. */
export function parseItem(value: unknown): Notification | null {
  const json = object(value);
  const id = json?.["id"];
  if (!json || typeof id !== "string" || id === "") return null;
  return {
    id,
    type: TYPES.find((type) => type === json["type"]) ?? "alert",
    category: text(json["category"]),
    title: text(json["title"]) ?? "",
    body: text(json["body"]) ?? "",
    data: object(json["data"]) ?? {},
    actionUrl: webUrl(json["action_url"]),
    imageUrl: webUrl(json["image_url"]),
    createdAt: text(json["created_at"]) ?? "",
    ...marksOf(json),
  };
}

function marksOf(json: Json): Marks {
  return { seenAt: text(json["seen_at"]), readAt: text(json["read_at"]), archivedAt: text(json["archived_at"]) };
}

/** Only http and https: a `javascript:` URL in a link would be somebody else's script in the page. */
function webUrl(value: unknown): string | null {
  return typeof value === "string" && /^https?:\/\//i.test(value) ? value : null;
}

export function object(value: unknown): Json | null {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Json) : null;
}

export function text(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}

export function count(value: unknown): number | null {
  return isCount(value) ? value : null;
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}
