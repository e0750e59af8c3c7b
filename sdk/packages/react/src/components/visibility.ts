// What is on the screen: cards that were looked at, and the end of the list that asks for more.

import { type RefObject, useEffect, useState } from "react";
import { useLatest } from "../hooks/useLatest.ts";

const SEEN_AFTER_MS = 400;

/** Calls `onSeen` with the ids of unseen cards of `list` that stood on the screen, several at a time. */
export function useSeenOnScreen(
  list: RefObject<HTMLElement | null>,
  changed: unknown,
  onSeen: (ids: string[]) => void,
): void {
  const latest = useLatest(onSeen);
  // biome-ignore lint/correctness/useExhaustiveDependencies: new cards stand in the list after each change
  useEffect(() => {
    if (!list.current || typeof IntersectionObserver === "undefined") return undefined;
    const visible = new Set<string>();
    const observer = new IntersectionObserver((entries) => note(entries, visible), { threshold: 0.6 });
    for (const card of list.current.querySelectorAll("[data-hg-id][data-unseen]")) observer.observe(card);
    const timer = setInterval(() => {
      if (visible.size === 0) return;
      latest.current([...visible]);
      visible.clear();
    }, SEEN_AFTER_MS);
    return () => {
      clearInterval(timer);
      observer.disconnect();
    };
  }, [list, changed, latest]);
}

function note(entries: IntersectionObserverEntry[], visible: Set<string>): void {
  for (const { target, isIntersecting } of entries) {
    const id = (target as HTMLElement).dataset["hgId"];
    if (id) visible[isIntersecting ? "add" : "delete"](id);
  }
}

/**
 * Calls `onReached` whenever the element is within a screen's length of the visible part of its scroller, and again
 * after each call until it is not.
 */
export function useReached(end: RefObject<HTMLElement | null>, enabled: boolean, onReached: () => Promise<void>): void {
  const [calls, setCalls] = useState(0);
  // biome-ignore lint/correctness/useExhaustiveDependencies: an observer tells of changes only, so each call gets a new one
  useEffect(() => {
    if (!enabled || !end.current || typeof IntersectionObserver === "undefined") return undefined;
    const look = (entries: IntersectionObserverEntry[]): void => {
      // A busy page is told of several changes at once, the last of which holds.
      if (entries.at(-1)?.isIntersecting) void onReached().then(() => setCalls((before) => before + 1));
    };
    const root = end.current.closest("[data-hg-scroller]");
    const observer = new IntersectionObserver(look, { root, rootMargin: "100% 0px" });
    observer.observe(end.current);
    return () => observer.disconnect();
  }, [end, enabled, onReached, calls]);
}
