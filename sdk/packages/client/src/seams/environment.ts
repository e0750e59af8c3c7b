// Seam: clock, network, focus and tabs of the platform. One of two files that know these types.

import type { Channel, Clock, Environment, KeyValueStorage, Signal, Tabs } from "../ports.ts";

const LONGEST_TIMER_MS = 2 ** 31 - 1;

const clock: Clock = {
  now: () => performance.now(),
  after: (ms, run) => {
    const timer = setTimeout(run, Math.min(ms, LONGEST_TIMER_MS));
    return () => clearTimeout(timer);
  },
};

/** Always online, no focus, no tabs: Node, tests, and a base for platforms of their own. */
export function plainEnvironment(): Environment {
  return { clock, random: Math.random, isOnline: () => true, listen: () => () => undefined, tabs: null };
}

/** The browser's signals, Web Locks and BroadcastChannel; what a browser lacks is as in `plainEnvironment`. */
export function browserEnvironment(): Environment {
  return {
    ...plainEnvironment(),
    isOnline: () => navigator.onLine !== false,
    listen,
    tabs: navigator.locks && typeof BroadcastChannel === "function" ? tabs(navigator.locks) : null,
  };
}

/** The browser's where there is a document, else the plain one. */
export function environmentOfPlatform(): Environment {
  return typeof document === "object" ? browserEnvironment() : plainEnvironment();
}

/** localStorage. What a user sees is then kept on the device until `forget()`. */
export function browserStorage(): KeyValueStorage {
  return {
    get: (key) => localStorage.getItem(key),
    set: (key, value) => localStorage.setItem(key, value),
    remove: (key) => localStorage.removeItem(key),
  };
}

/** UTF-8 text; "" for what is none. */
export function decodeBase64Url(encoded: string): string {
  try {
    // `escape` writes each byte as %XX: the shortest way to UTF-8 that is there on every platform (no TextDecoder).
    return decodeURIComponent(escape(atob(encoded.replace(/-/g, "+").replace(/_/g, "/"))));
  } catch {
    return "";
  }
}

function listen(listener: (signal: Signal) => void): () => void {
  const controller = new AbortController();
  const { signal } = controller;
  for (const type of ["online", "offline", "focus"] as const)
    window.addEventListener(type, () => listener(type), { signal });
  const look = () => document.visibilityState === "visible" && listener("focus");
  document.addEventListener("visibilitychange", look, { signal });
  return () => controller.abort();
}

function tabs(locks: LockManager): Tabs {
  return {
    lock: async (name, hold, cancelled) => {
      const controller = new AbortController();
      void cancelled.then(() => controller.abort());
      try {
        await locks.request(name, { signal: controller.signal }, hold);
      } catch (error) {
        if (!controller.signal.aborted) throw error;
      }
    },
    channel: (name, receive): Channel => {
      const channel = new BroadcastChannel(name);
      channel.onmessage = ({ data }) => receive(data);
      return { post: (message) => channel.postMessage(message), close: () => channel.close() };
    },
  };
}
