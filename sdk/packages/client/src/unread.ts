// When to ask for the unread count again. A count of the server may already hold a notification whose frame comes a
// moment later, which then would be counted twice; nobody can tell from here. So arrivals soon after a count are
// followed by one more count, once they have calmed down.

import type { Environment } from "./ports.ts";

/** A notification that takes longer from the store to the page has been sent as an e-mail by now. */
const DOUBT_MS = 30_000;
const CALM_MS = 2_000;

export interface Recount {
  /** The server has told a count. */
  counted(): void;
  /** A notification was added to the count. */
  arrived(): void;
  /** The count is in doubt. Asks once it has been calm for two seconds or a little more. */
  soon(): void;
  stop(): void;
}

export function recounting(environment: Environment, ask: () => void): Recount {
  const { clock } = environment;
  let countedAt = -DOUBT_MS;
  let stop = (): void => undefined;
  const soon = () => {
    stop();
    stop = clock.after(CALM_MS * (1 + environment.random()), ask);
  };
  return {
    counted: () => {
      countedAt = clock.now();
    },
    arrived: () => {
      if (clock.now() - countedAt < DOUBT_MS) soon();
    },
    soon,
    stop: () => stop(),
  };
}
