// What a person does with an item, as pure functions: the same rules as the server's (docs/api.md section 4).

import type { Notification } from "./types.ts";
import type { Marks } from "./wire.ts";

/** The last part of `POST /v1/inbox/{id}/{mark}`. */
export type Mark = "seen" | "read" | "unread" | "archive" | "unarchive";

export function isUnread(marks: Marks): boolean {
  return marks.readAt === null && marks.archivedAt === null;
}

/** Which time of the item a mark sets (true) or takes away. */
const EFFECTS: Readonly<Record<Mark, readonly [keyof Marks, boolean]>> = {
  seen: ["seenAt", true],
  read: ["readAt", true],
  unread: ["readAt", false],
  archive: ["archivedAt", true],
  unarchive: ["archivedAt", false],
};

/** Whether the mark would change nothing. */
export function holds(marks: Marks, mark: Mark): boolean {
  const [time, set] = EFFECTS[mark];
  return (marks[time] !== null) === set;
}

/** The item with the mark; the same object if it holds already. `at` = RFC 3339. */
export function marked(item: Notification, mark: Mark, at: string): Notification {
  if (holds(item, mark)) return item;
  const [time, set] = EFFECTS[mark];
  const changed = { ...item, [time]: set ? at : null };
  return mark === "read" ? { ...changed, seenAt: item.seenAt ?? at } : changed;
}
