// Natural batching: while requests are under way, what comes collects, and goes together in the next. No timer: at low
// load every send goes at once, at high load thousands share a request.

import { HeliographError } from "../errors.ts";

/** What the server takes in one request (docs/api.md, `POST /v1/send/bulk`), with room for the brackets. */
const LARGEST = 10_000;
const LARGEST_BYTES = 5 * 1024 * 1024 - 64;

interface Waiting {
  /** One send as JSON text. */
  readonly json: string;
  readonly bytes: number;
  readonly settle: (outcome: Outcome) => void;
}

type Outcome = string | HeliographError;

/** Sends these: an id or an error for each, in their order. Rejects with HeliographError when none was accepted. */
export type Deliver = (sends: readonly string[]) => Promise<readonly Outcome[]>;

export class Batching {
  readonly #deliver: Deliver;
  #free: number;
  readonly #waiting: Waiting[] = [];

  /** `parallel` = requests at the same time. */
  constructor(parallel: number, deliver: Deliver) {
    this.#free = parallel;
    this.#deliver = deliver;
  }

  /** The id of the send. */
  add(json: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const settle = (outcome: Outcome) => (typeof outcome === "string" ? resolve(outcome) : reject(outcome));
      this.#waiting.push({ json, bytes: Buffer.byteLength(json) + 1, settle });
      // Whoever sends in the same turn shares the first request, too.
      queueMicrotask(() => this.#next());
    });
  }

  #next(): void {
    if (this.#free === 0 || this.#waiting.length === 0) return;
    this.#free--;
    void this.#send(this.#take()).finally(() => {
      this.#free++;
      this.#next();
    });
    this.#next();
  }

  /** As many as fit into a request; one that is too large by itself goes alone, for the server to refuse. */
  #take(): Waiting[] {
    let [count, bytes] = [0, 0];
    for (const send of this.#waiting) {
      bytes += send.bytes;
      if (count > 0 && (count === LARGEST || bytes > LARGEST_BYTES)) break;
      count++;
    }
    return this.#waiting.splice(0, count);
  }

  async #send(sends: readonly Waiting[]): Promise<void> {
    let outcomes: readonly Outcome[];
    try {
      outcomes = await this.#deliver(sends.map(({ json }) => json));
    } catch (error) {
      outcomes = sends.map(() => error as HeliographError);
    }
    const missing = new HeliographError("protocol", "The server's answer lacks this send.");
    sends.forEach(({ settle }, index) => {
      settle(outcomes[index] ?? missing);
    });
  }
}
