// The device's clock as state, in steps of half a minute: one timer for all components, none without any.

import { useSyncExternalStore } from "react";

// Every platform has timers, but no library of ECMAScript declares them.
declare function setInterval(run: () => void, afterMs: number): unknown;
declare function clearInterval(timer: unknown): void;

const STEP_MS = 30_000;
const listeners = new Set<() => void>();
let timer: unknown;

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  timer ??= setInterval(tick, STEP_MS);
  return () => {
    listeners.delete(listener);
    if (listeners.size > 0) return;
    clearInterval(timer);
    timer = undefined;
  };
}

function tick(): void {
  for (const listener of [...listeners]) listener();
}

/** Whole steps, so that two readings in one rendering are the same. */
function read(): number {
  return Math.floor(Date.now() / STEP_MS) * STEP_MS;
}

/** Milliseconds since 1970, up to half a minute old. */
export function useNow(): number {
  return useSyncExternalStore(subscribe, read, read);
}
