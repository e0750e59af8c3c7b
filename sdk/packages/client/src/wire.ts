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
interface Depart {
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
      return arrival(json);
    case "inbox":
      return inboxChange(json);
    case "reconnect":
      return { t: "reconnect", afterMs: count(json["after_ms"]) ?? 0 };
    default:
      return null;
  }
}

function arrival(json: Json): Arrival | null {
  const offset = count(json["offset"]);
  return offset === null ? null : { t: "notification", offset, notification: parseItem(json["notification"]) };
}

/** A place in the stream; null = none. */
export function positionOf(json: Json | null): Position | null {
  const epoch = text(json?.["epoch"]);
  const offset = count(json?.["offset"]);
  return epoch === null || offset === null ? null : { epoch, offset };
}

function connected(json: Json): Connected | null {
  const position = positionOf(json);
  if (!position) return null;
  const heartbeatS = Number(json["heartbeat_s"]) || DEFAULT_HEARTBEAT_S;
  return { t: "connected", position, recovered: json["recovered"] === true, unread: count(json["unread"]), heartbeatS };
}

function inboxChange(json: Json): Marked | AllRead | null {
  const id = text(json["id"]);
  const unread = count(json["unread"]);
  const marks = marksOf(json);
  if (id === "*") return marks.readAt === null ? null : { t: "all_read", at: marks.readAt, unread };
  return id === null ? null : { t: "inbox", id, marks, unread };
}

/** An inbox item; null without a usable id. */
export function parseItem(value: unknown): Notification | null {
  const json = object(value);
  const id = text(json?.["id"]);
  if (!json || !id) return null;
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
  return Number.isSafeInteger(value) && (value as number) >= 0 ? (value as number) : null;
}
