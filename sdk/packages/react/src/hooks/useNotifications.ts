// One live list of the inbox, and what can be done with its items.

import type { Heliograph, InboxFilter, InboxSnapshot, Notification } from "@heliograph/client";
import { useMemo } from "react";
import { useHeliograph } from "./provider.tsx";
import { useReadable } from "./readable.ts";

type One = Notification | string;
type Some = One | readonly One[];

/**
 * What can be done with items. Each takes a notification or its id, shows the change at once on every tab, and takes
 * it back if the server refuses: the promise then rejects with a `HeliographError`.
 */
export interface InboxActions {
  /** It was on the screen. */
  readonly seen: (items: Some) => Promise<void>;
  readonly read: (item: One) => Promise<void>;
  readonly markUnread: (item: One) => Promise<void>;
  readonly archive: (item: One) => Promise<void>;
  readonly unarchive: (item: One) => Promise<void>;
  readonly readAll: () => Promise<void>;
}

export interface UseNotificationsResult extends InboxSnapshot, InboxActions {
  readonly fetchMore: () => Promise<void>;
  readonly refetch: () => Promise<void>;
}

/** The newest first; a list with the same filter is shared, so asking for it twice costs nothing. */
export function useNotifications(filter: InboxFilter = {}): UseNotificationsResult {
  const client = useHeliograph();
  const { unread, category, archived, limit } = filter;
  const inbox = useMemo(
    () => client.inbox({ unread, category, archived, limit }),
    [client, unread, category, archived, limit],
  );
  const snapshot = useReadable(inbox);
  const actions = useInboxActions();
  const paging = useMemo(() => ({ fetchMore: () => inbox.fetchMore(), refetch: () => inbox.refetch() }), [inbox]);
  return useMemo(() => ({ ...snapshot, ...actions, ...paging }), [snapshot, actions, paging]);
}

/** The actions alone: they never change, so a component that only acts is not rendered for every arrival. */
export function useInboxActions(): InboxActions {
  const client = useHeliograph();
  return useMemo(() => actionsOf(client), [client]);
}

function actionsOf(client: Heliograph): InboxActions {
  return {
    seen: (items) => client.seen(isList(items) ? items.map(idOf) : idOf(items)),
    read: (item) => client.read(idOf(item)),
    markUnread: (item) => client.markUnread(idOf(item)),
    archive: (item) => client.archive(idOf(item)),
    unarchive: (item) => client.unarchive(idOf(item)),
    readAll: () => client.readAll(),
  };
}

function isList(items: Some): items is readonly One[] {
  return Array.isArray(items);
}

function idOf(item: One): string {
  return typeof item === "string" ? item : item.id;
}
