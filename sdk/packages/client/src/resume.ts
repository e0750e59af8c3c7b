// Where the client stands in the user's stream, and what a frame's offset means: so that nothing is missed or doubled
// over reconnects and between tabs. Pure bookkeeping; says what to do, does nothing.

import type { Connected, Position } from "./wire.ts";

/** `next`: take it. `duplicate`: drop it. `jump`: something before it is missing. */
export type Verdict = "next" | "duplicate" | "jump";

export class Stream {
  #position: Position | null;
  #jumped = false;

  constructor(position: Position | null = null) {
    this.#position = position;
  }

  /** What to send as `since`. */
  get position(): Position | null {
    return this.#position;
  }

  /** A notification frame's offset; one that is taken moves the position. */
  arrived(offset: number): Verdict {
    const at = this.#position;
    // Without a position there can't be a gap: the server sends one only to those who said where they stood.
    if (!at || offset <= at.offset) return "duplicate";
    if (offset > at.offset + 1) return "jump";
    this.#position = { epoch: at.epoch, offset };
    this.#jumped = false;
    return "next";
  }

  /** Whether to come back with `since` because of a jump. Not twice in a row: then the lists are loaded instead. */
  retryAfterJump(): boolean {
    this.#jumped = !this.#jumped;
    return this.#jumped;
  }

  /** The server's `connected`, own or told by another tab. Answers whether everything up to it is here. */
  connected({ position, recovered }: Connected): boolean {
    const at = this.#position;
    const whole = recovered && at?.epoch === position.epoch && at.offset >= position.offset;
    // An empty epoch: the server's cache is away. What we know may still be resumed once it is back.
    if (position.epoch !== "" && !whole) this.#position = position;
    return whole;
  }

  /** Stands here from now on; what was before is loaded another way. */
  moveTo(position: Position): void {
    this.#position = position;
    this.#jumped = false;
  }
}
