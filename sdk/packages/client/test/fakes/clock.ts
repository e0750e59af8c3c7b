// Time that passes only when a test says so.

import type { Clock } from "../../src/ports.ts";

interface Due {
  readonly at: number;
  readonly run: () => void;
}

/** Lets everything that waits for promises only go on. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
  await new Promise((resolve) => setImmediate(resolve));
}

export class FakeClock implements Clock {
  #now = 1_000;
  readonly #due = new Set<Due>();

  now(): number {
    return this.#now;
  }

  after(ms: number, run: () => void): () => void {
    const due = { at: this.#now + ms, run };
    this.#due.add(due);
    return () => void this.#due.delete(due);
  }

  /** Runs what is due on the way, each at its time. */
  async advance(ms: number): Promise<void> {
    const until = this.#now + ms;
    await settle();
    for (;;) {
      const next = [...this.#due].filter(({ at }) => at <= until).sort((one, other) => one.at - other.at)[0];
      if (!next) break;
      this.#due.delete(next);
      this.#now = Math.max(this.#now, next.at);
      next.run();
      await settle();
    }
    this.#now = until;
  }
}
