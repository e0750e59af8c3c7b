// What concerns the whole person: unread count, connection, preferences, and being told of each arrival.

import type { ConnectionState, DeepPartial, Notification, Preferences, PreferencesSnapshot } from "@heliograph/client";
import { useCallback, useEffect, useMemo } from "react";
import { useHeliograph } from "./provider.tsx";
import { useReadable } from "./readable.ts";
import { useLatest } from "./useLatest.ts";

/** The number for the bell: the same on every tab and device. */
export function useUnreadCount(): number {
  return useReadable(useHeliograph().unread);
}

export interface UseConnectionResult extends ConnectionState {
  readonly isConnected: boolean;
}

export function useConnection(): UseConnectionResult {
  const state = useReadable(useHeliograph().connection);
  return useMemo(() => ({ ...state, isConnected: state.status === "connected" }), [state]);
}

export interface UsePreferencesResult extends PreferencesSnapshot {
  /** Changes what is named and leaves the rest; shown at once, taken back if the server refuses (it then rejects). */
  readonly update: (change: DeepPartial<Preferences>) => Promise<void>;
  readonly refetch: () => Promise<void>;
}

/** What may reach the person on which channel. Loaded with the first component that asks. */
export function usePreferences(): UsePreferencesResult {
  const { preferences } = useHeliograph();
  const snapshot = useReadable(preferences);
  const refetch = useCallback(() => preferences.load(), [preferences]);
  const update = useCallback((change: DeepPartial<Preferences>) => preferences.update(change), [preferences]);
  useEffect(() => {
    if (!preferences.getSnapshot().preferences) void preferences.load().catch(ignore); // it stands in `error`
  }, [preferences]);
  return useMemo(() => ({ ...snapshot, update, refetch }), [snapshot, update, refetch]);
}

/** Calls `listener` once for each notification that arrives over the live connection. */
export function useNotificationListener(listener: (notification: Notification) => void): void {
  const client = useHeliograph();
  const latest = useLatest(listener);
  useEffect(() => client.on("notification", (notification) => latest.current(notification)), [client, latest]);
}

function ignore(): void {}
