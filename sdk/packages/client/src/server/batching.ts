// Natural batching: while requests are under way, what comes collects, and goes in as few requests as its contents
// allow. No timer: at low load every send goes at once, at high load many share a request.
//
// The server takes one content to many people in a request. Sends of different contents are requests of their own, a
// few at a time.

import { HeliographError } from "../errors.ts";
import { passes } from "../http.ts";

/** The most recipients that the server takes in one request. */
const LARGEST = 1_000;

interface Waiting<T> {
  readonly to: T;
  readonly settle: (outcome: string | HeliographError) => void;
}

/** Sends one content to these: ids in their order. Rejects with HeliographError, then nothing was accepted. */
export type Deliver<C, T> = (content: C, to: readonly T[]) => Promise<readonly string[]>;

export class Batching<C, T> {
  readonly #deliver: Deliver<C, T>;
  #free: number;
  /** By content, oldest first. */
  readonly #waiting = new Map<string, { readonly content: C; readonly sends: Waiting<T>[] }>();

  constructor(parallel: number, deliver: Deliver<C, T>) {
    this.#free = parallel;
    this.#deliver = deliver;
  }

  /** The id of the send. */
  add(content: C, to: T): Promise<string> {
    return new Promise((resolve, reject) => {
      const settle = (outcome: string | HeliographError) =>
        typeof outcome === "string" ? resolve(outcome) : reject(outcome);
      const key = JSON.stringify(content);
      const same = this.#waiting.get(key) ?? { content, sends: [] };
      this.#waiting.set(key, same);
      same.sends.push({ to, settle });
      // Whoever sends in the same turn shares the first request, too.
      queueMicrotask(() => this.#next());
    });
  }

  #next(): void {
    const [oldest] = this.#waiting;
    if (!oldest || this.#free === 0) return;
    const [key, { content, sends }] = oldest;
    const taken = sends.splice(0, LARGEST);
    if (sends.length === 0) this.#waiting.delete(key);
    this.#free--;
    void this.#send(content, taken).finally(() => {
      this.#free++;
      this.#next();
    });
    this.#next();
  }

  async #send(content: C, sends: readonly Waiting<T>[]): Promise<void> {
    try {
      const ids = await this.#deliver(
        content,
        sends.map(({ to }) => to),
      );
      sends.forEach(({ settle }, index) => {
        settle(ids[index] ?? new HeliographError("protocol", "The server answered too few ids."));
      });
    } catch (error) {
      const refusal = error as HeliographError;
      // One bad recipient has the whole request refused: each must stand for itself.
      if (sends.length > 1 && !passes(refusal) && refusal.status !== 401) await this.#apart(content, sends);
      else for (const { settle } of sends) settle(refusal);
    }
  }

  async #apart(content: C, sends: readonly Waiting<T>[]): Promise<void> {
    const middle = sends.length >> 1;
    await this.#send(content, sends.slice(0, middle));
    await this.#send(content, sends.slice(middle));
  }
}
