// What the newcomer is shown: the lab's mailbox, and for each send where it went and why.
import { useCallback, useEffect, useRef, useState } from "react";
import { explain, mailsAfter, send } from "./backEnd.ts";

const EVERY_MS = 500;
/** As long as the e-mail after all may take, when an open page doesn't acknowledge. */
const WATCH_MS = 60_000;
const SETTLED = new Set(["sent", "delivered", "failed", "suppressed", "expired", "cancelled"]);
/** The newest mail first. */
export function useMails() {
  const [mails, setMails] = useState([]);
  const newest = useRef("");
  useRepeatedly(
    useCallback(async () => {
      const found = await mailsAfter(newest.current);
      const last = found.at(-1);
      if (!last) return;
      newest.current = last.id;
      setMails((before) => [...found.toReversed(), ...before].slice(0, 50));
    }, []),
    true,
  );
  return mails;
}
export function useSends() {
  const [sent, setSent] = useState([]);
  const open = useRef(new Map());
  const [watching, setWatching] = useState(false);
  const start = useCallback(async (kind, to, product) => {
    const ids = await send(kind, to, product);
    for (const id of ids) open.current.set(id, Date.now() + WATCH_MS);
    setSent((before) => [...ids.map((id) => ({ id, kind, explanation: null })), ...before].slice(0, 30));
    setWatching(true);
  }, []);
  useRepeatedly(
    useCallback(async () => {
      const found = await Promise.all([...open.current.keys()].map(explain));
      const byId = new Map(found.flatMap((one) => (one ? [[one.id, one]] : [])));
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
function useRepeatedly(work, enabled) {
  useEffect(() => {
    if (!enabled) return undefined;
    let timer;
    let ended = false;
    const run = async () => {
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
