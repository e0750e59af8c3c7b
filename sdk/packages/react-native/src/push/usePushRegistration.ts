// The push registration as a hook: follows the app and its connection, and says where it stands.

import { useHeliograph } from "@heliograph/react/hooks";
import { useEffect, useMemo, useRef, useState, useSyncExternalStore } from "react";
import { AppState } from "react-native";
import { usePushRecords } from "../provider.tsx";
import { PushRegistration, type PushState } from "./registration.ts";
import type { PushSource } from "./source.ts";

export interface UsePushRegistrationResult extends PushState {
  /** Asks for permission if need be, then registers. Call it when the person presses something. Never rejects. */
  readonly register: () => Promise<void>;
  /**
   * Removes this device from the person: call it before you sign them out. It stays away until `register` or the next
   * sign-in. Rejects with a `HeliographError` if the server can't be told.
   */
  readonly unregister: () => Promise<void>;
}

/**
 * Registers this phone for pushes as soon as there is permission, again when its token changes and after seven days; never
 * asks for the permission by itself. While the app is open the live connection says so, and no push comes to this phone.
 * @param source `expoPush(Notifications)`, `firebasePush(messaging)`, or your own. The first one is kept.
 */
export function usePushRegistration(source: PushSource): UsePushRegistrationResult {
  const client = useHeliograph();
  const records = usePushRecords();
  const [kept] = useState(source);
  const registration = useMemo(() => new PushRegistration({ client, source: kept, records }), [client, kept, records]);
  useFollowed(registration);
  const state = useSyncExternalStore(registration.subscribe, registration.getSnapshot, registration.getSnapshot);
  return useMemo(
    () => ({ ...state, register: () => registration.register(), unregister: () => registration.unregister() }),
    [state, registration],
  );
}

/** Looks again whenever there may be something new: at the start, with each connection, back from the system's settings. */
function useFollowed(registration: PushRegistration): void {
  const { connection } = useHeliograph();
  const connected = useRef(false);
  useEffect(() => {
    const onConnection = () => {
      const now = connection.getSnapshot().status === "connected";
      if (now && !connected.current) void registration.check();
      connected.current = now;
    };
    const app = AppState.addEventListener("change", (state) => {
      if (state === "active") void registration.check();
    });
    const ends = [registration.listen(), connection.subscribe(onConnection), () => app.remove()];
    void registration.check();
    return () => {
      for (const end of ends) end();
    };
  }, [registration, connection]);
}
