// The phone as the client's environment: AppState tells of focus and background, NetInfo of the network. It never
// touches a global of the browser.

import { type Environment, plainEnvironment, type Signal } from "@heliograph/client";
import { AppState, type AppStateStatus } from "react-native";

/** What is used of `@react-native-community/netinfo`; hand over its default export. */
export interface NetInfoLike {
  addEventListener(
    listener: (state: { readonly type: string; readonly isConnected: boolean | null }) => void,
  ): () => void;
}

export interface NativeEnvironmentOptions {
  /** Without it the client learns of a lost network only when the connection dies. */
  readonly netInfo?: NetInfoLike | null | undefined;
  /** How long the app may be in the background before its connection is closed, in milliseconds. Default 3000. */
  readonly backgroundGraceMs?: number | undefined;
}

// iOS freezes an app some 5 s after it left the screen. A socket that is still open then looks alive to the server until
// its heartbeat fails, and the pushes of that minute are held back from a phone that nobody looks at.
const BACKGROUND_GRACE_MS = 3000;

/**
 * `focus` when the app comes to the front, `suspend` when it has been in the background for the grace time, `online` and
 * `offline` as the network goes. Moving from one network to another is `online` too: the old connection is gone then.
 */
export function nativeEnvironment(options: NativeEnvironmentOptions = {}): Environment {
  const { netInfo, backgroundGraceMs = BACKGROUND_GRACE_MS } = options;
  const plain = plainEnvironment();
  let online = true;
  return {
    ...plain,
    isOnline: () => online,
    listen: (listener) => {
      const ends = [listenToAppState(listener, plain, backgroundGraceMs)];
      if (netInfo) ends.push(listenToNetwork(netInfo, listener, (known) => (online = known)));
      return () => {
        for (const end of ends) end();
      };
    },
  };
}

function listenToAppState(listener: (signal: Signal) => void, { clock }: Environment, graceMs: number): () => void {
  let cancel = () => {};
  const changed = (state: AppStateStatus, waitMs: number) => {
    if (state === "active") {
      cancel();
      listener("focus");
    } else if (state === "background") {
      cancel();
      cancel = clock.after(waitMs, () => listener("suspend"));
    }
    // "inactive" is a glance at the app switcher or a call that rings: the app is still the one in front.
  };
  const subscription = AppState.addEventListener("change", (state) => changed(state, graceMs));
  // Started in the background, for instance by a push: nobody is looking, so don't count as present.
  if (AppState.currentState === "background") changed("background", 0);
  return () => {
    cancel();
    subscription.remove();
  };
}

function listenToNetwork(
  netInfo: NetInfoLike,
  listener: (signal: Signal) => void,
  remember: (online: boolean) => void,
): () => void {
  let last: { online: boolean; type: string } | null = null;
  return netInfo.addEventListener(({ type, isConnected }) => {
    // Not isInternetReachable: a server in the own network answers where the internet does not.
    const now = { online: isConnected !== false, type };
    const before = last;
    last = now;
    remember(now.online);
    if (before ? before.online !== now.online || (now.online && before.type !== type) : !now.online) {
      listener(now.online ? "online" : "offline");
    }
  });
}
