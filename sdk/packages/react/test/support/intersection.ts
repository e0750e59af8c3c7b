// An IntersectionObserver that the test moves.

import { vi } from "vitest";

type Observed = { readonly callback: IntersectionObserverCallback; readonly targets: Set<Element> };
const observers = new Set<Observed>();

class FakeIntersectionObserver {
  readonly #own: Observed;

  constructor(callback: IntersectionObserverCallback) {
    this.#own = { callback, targets: new Set() };
    observers.add(this.#own);
  }
  observe(target: Element): void {
    this.#own.targets.add(target);
  }
  disconnect(): void {
    observers.delete(this.#own);
  }
}

export function installIntersections(): void {
  observers.clear();
  vi.stubGlobal("IntersectionObserver", FakeIntersectionObserver);
}

/** The element comes onto the screen, or leaves it; several changes are told at once, as by a busy browser. */
export function scroll(target: Element, ...changes: readonly boolean[]): void {
  const entries = changes.map((isIntersecting) => ({ target, isIntersecting }) as unknown as IntersectionObserverEntry);
  for (const { callback, targets } of [...observers]) {
    if (targets.has(target)) callback(entries, {} as IntersectionObserver);
  }
}
