// Moving the focus among the cards of a list: one of them is a stop of the Tab key, arrow keys reach the others.

import type { KeyboardEvent } from "react";

const CARD = "article[data-hg-id]";

function cardsAround(card: Element): HTMLElement[] {
  return [...(card.parentElement?.querySelectorAll<HTMLElement>(CARD) ?? [])];
}

/** Focuses the card after the one that holds `inside`, or the one before if it is the last. */
export function focusNeighbour(inside: Element): void {
  const card = inside.closest<HTMLElement>(CARD);
  if (!card) return;
  const cards = cardsAround(card);
  const index = cards.indexOf(card);
  (cards[index + 1] ?? cards[index - 1])?.focus();
}

/** The card of `list` that Tab stops at, or the first. */
export function firstCard(list: Element): HTMLElement | null {
  return list.querySelector<HTMLElement>(`${CARD}[tabindex="0"]`) ?? list.querySelector<HTMLElement>(CARD);
}

const STEPS: Readonly<Record<string, (index: number, count: number) => number>> = {
  ArrowDown: (index) => index + 1,
  ArrowUp: (index) => index - 1,
  PageDown: (index) => index + 5,
  PageUp: (index) => index - 5,
  Home: () => 0,
  End: (_, count) => count - 1,
};

/** Arrow keys, Page Up and Down, Home and End move among cards; Enter and Space open the one that has the focus. */
export function onListKey(event: KeyboardEvent<HTMLElement>): void {
  const target = event.target as HTMLElement;
  const card = target.closest<HTMLElement>(CARD);
  if (!card || event.ctrlKey || event.metaKey || event.altKey) return;
  const step = STEPS[event.key];
  if (step) {
    const cards = cardsAround(card);
    const next = step(cards.indexOf(card), cards.length);
    cards[Math.min(Math.max(next, 0), cards.length - 1)]?.focus();
    event.preventDefault();
  } else if ((event.key === "Enter" || event.key === " ") && target === card) {
    card.querySelector<HTMLElement>("[data-hg-open]")?.click();
    event.preventDefault();
  }
}
