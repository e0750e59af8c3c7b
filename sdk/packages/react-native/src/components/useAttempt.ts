// Actions that may fail: what was taken back is said, not swallowed.

import { useCallback, useState } from "react";

export interface Attempt {
  readonly failed: boolean;
  /** Starts it; a failure shows until the next success. */
  readonly attempt: (action: () => Promise<void>) => void;
}

export function useAttempt(): Attempt {
  const [failed, setFailed] = useState(false);
  const attempt = useCallback((action: () => Promise<void>) => {
    action().then(
      () => setFailed(false),
      () => setFailed(true),
    );
  }, []);
  return { failed, attempt };
}
