// What a person does with an item, as pure functions: the same rules as the server's (docs/api.md section 4).

import type { Notification } from "./types.ts";
import type { Marks } from "./wire.ts";

/** The last part of `POST /v1/inbox/{id}/{mark}`. */
export type Mark = "seen" | "read" | "unread" | "archive" | "unarchive";

export function isUnread(marks: Marks): boolean {
  return marks.readAt === null && marks.archivedAt === null;
}

/** Whether the mark would change nothing. */
export function holds(marks: Marks, mark: Mark): boolean {
  switch (mark) {
    case "seen":
      return marks.seenAt !== null;
    case "read":
      return marks.readAt !== null;
    case "unread":
      return marks.readAt === null;
    case "archive":
      return marks.archivedAt !== null;
    case "unarchive":
      return marks.archivedAt === null;
  }
}

/** The item with the mark; the same object if it holds already. `at` = RFC 3339. */
export function marked(item: Notification, mark: Mark, at: string): Notification {
  if (holds(item, mark)) return item;
  switch (mark) {
    case "seen":
      return { ...item, seenAt: at };
    case "read":
      return { ...item, seenAt: item.seenAt ?? at, readAt: at };
    case "unread":
      return { ...item, readAt: null };
    case "archive":
      return { ...item, archivedAt: at };
    case "unarchive":
      return { ...item, archivedAt: null };
  }
}
