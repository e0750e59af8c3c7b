// What the newcomer is shown: the lab's mailbox, and for each send where it went and why.

import { useCallback, useEffect, useRef, useState } from "react";
import { type Explanation, explain, type Kind, type Mail, mailsAfter, type PersonId, send } from "./backEnd.ts";

const EVERY_MS = 500;
/** As long as the e-mail after all may take, when an open page doesn't acknowledge. */
const WATCH_MS = 60_000;
/** `sent` isn't among them: the page's or the provider's word that it arrived comes a moment later. */
const SETTLED = new Set(["delivered", "failed", "suppressed", "expired", "cancelled"]);

export interface Sent {
  readonly id: string;
  readonly kind: Kind;
  readonly explanation: Explanation | null;
}

/** The newest mail first. */
export function useMails(): readonly Mail[] {
  const [mails, setMails] = useState<readonly Mail[]>([]);
  const newest = useRef("");
  useRepeatedly(
    useCallback(async () => {
      const found = await mailsAfter(newest.current);
      const last = found.at(-1);
      if (!last) return;
      newest.current = last.id;
      setMails((before) => [...[...found].reverse(), ...before].slice(0, 50));
    }, []),
    true,
  );
  return mails;
}

export interface Sends {
  /** The newest first. */
  readonly sent: readonly Sent[];
  readonly start: (kind: Kind, to: PersonId | null, product: string) => Promise<void>;
}

export function useSends(): Sends {
  const [sent, setSent] = useState<readonly Sent[]>([]);
  const open = useRef(new Map<string, number>());
  const [watching, setWatching] = useState(false);
  const start = useCallback(async (kind: Kind, to: PersonId | null, product: string) => {
    const ids = await send(kind, to, product);
    for (const id of ids) open.current.set(id, Date.now() + WATCH_MS);
    setSent((before) => [...ids.map((id) => ({ id, kind, explanation: null })), ...before].slice(0, 30));
    setWatching(true);
  }, []);
  useRepeatedly(
    useCallback(async () => {
      const found = await Promise.all([...open.current.keys()].map(explain));
      const byId = new Map(found.flatMap((one) => (one ? [[one.id, one] as const] : [])));
      for (const [id, until] of open.current) {
        if (SETTLED.has(byId.get(id)?.status ?? "") || Date.now() > until) open.current.delete(id);
      }
      setSent((before) => before.map((one) => ({ ...one, explanation: byId.get(one.id) ?? one.explanation })));
      setWatching(open.current.size > 0);
    }, []),
    watching,
  );
  return { sent, start };
}

/** One call after the other while the page is looked at; a failed one is tried again. */
function useRepeatedly(work: () => Promise<void>, enabled: boolean): void {
  useEffect(() => {
    if (!enabled) return undefined;
    let timer: ReturnType<typeof setTimeout>;
    let ended = false;
    const run = async (): Promise<void> => {
      if (document.visibilityState === "visible") await work().catch(() => undefined);
      if (!ended) timer = setTimeout(() => void run(), EVERY_MS);
    };
    void run();
    return () => {
      ended = true;
      clearTimeout(timer);
    };
  }, [work, enabled]);
}
