// Readables of the client as React state.

import type { Readable } from "@heliograph/client";
import { useCallback, useSyncExternalStore } from "react";

export function useReadable<T>(readable: Readable<T>): T {
  const subscribe = useCallback((listener: () => void) => readable.subscribe(listener), [readable]);
  const read = useCallback(() => readable.getSnapshot(), [readable]);
  return useSyncExternalStore(subscribe, read, read);
}
