// When to ask for the unread count again. A count of the server may already hold a notification whose frame comes a
// moment later, which then would be counted twice; nobody can tell from here. So arrivals soon after a count are
// followed by one more count, once they have calmed down.

import type { Environment } from "./ports.ts";

/** A notification that takes longer from the store to the page has been sent as an e-mail by now. */
const DOUBT_MS = 30_000;
const CALM_MS = 1_000;
const APART_MS = 10_000;

export class Recount {
  readonly #environment: Environment;
  readonly #ask: () => void;
  #countedAt = Number.NEGATIVE_INFINITY;
  #askedAt = Number.NEGATIVE_INFINITY;
  #cancel: (() => void) | null = null;

  constructor(environment: Environment, ask: () => void) {
    this.#environment = environment;
    this.#ask = ask;
  }

  /** The server has told a count. */
  counted(): void {
    this.#countedAt = this.#environment.clock.now();
  }

  /** A notification was added to the count. */
  arrived(): void {
    if (this.#environment.clock.now() - this.#countedAt < DOUBT_MS) this.soon();
  }

  /** The count is in doubt. Asks once it has been calm for a second or two, at most every ten seconds. */
  soon(): void {
    const { clock, random } = this.#environment;
    const calm = CALM_MS * (1 + random());
    this.#cancel?.();
    this.#cancel = clock.after(Math.max(calm, this.#askedAt + APART_MS - clock.now()), () => {
      this.#askedAt = clock.now();
      this.#ask();
    });
  }

  stop(): void {
    this.#cancel?.();
  }
}
