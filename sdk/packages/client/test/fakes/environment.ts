// A device that a test holds in its hands, and tabs of one browser.

import type { Channel, Environment, Signal, Tabs } from "../../src/ports.ts";
import { FakeClock } from "./clock.ts";

export class FakeEnvironment implements Environment {
  readonly clock: FakeClock;
  readonly tabs: Tabs | null;
  online = true;
  /** What `random` answers. */
  dice = 0.5;
  readonly #listeners = new Set<(signal: Signal) => void>();

  constructor(clock = new FakeClock(), tabs: Tabs | null = null) {
    this.clock = clock;
    this.tabs = tabs;
  }

  readonly random = (): number => this.dice;
  readonly isOnline = (): boolean => this.online;

  readonly listen = (listener: (signal: Signal) => void): (() => void) => {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  };

  signal(signal: Signal): void {
    if (signal === "online" || signal === "offline") this.online = signal === "online";
    for (const listener of [...this.#listeners]) listener(signal);
  }

  get listening(): number {
    return this.#listeners.size;
  }
}

/** Web Locks and BroadcastChannel of one browser. Messages arrive one microtask later, cloned. */
export class FakeBrowser implements Tabs {
  readonly #queues = new Map<string, (() => void)[]>();
  readonly #channels = new Map<string, Set<(message: unknown) => void>>();

  async lock(name: string, hold: () => Promise<void>, cancelled: Promise<void>): Promise<void> {
    const queue = this.#queues.get(name) ?? [];
    this.#queues.set(name, queue);
    let given = false;
    await new Promise<void>((resolve) => {
      const turn = () => {
        given = true;
        resolve();
      };
      queue.push(turn);
      if (queue[0] === turn) queueMicrotask(turn);
      void cancelled.then(() => {
        if (given) return;
        queue.splice(queue.indexOf(turn), 1);
        resolve();
      });
    });
    if (!given) return;
    await hold();
    queue.shift();
    queue[0]?.();
  }

  channel(name: string, receive: (message: unknown) => void): Channel {
    const channels = this.#channels.get(name) ?? new Set();
    this.#channels.set(name, channels);
    const own = (message: unknown) => queueMicrotask(() => channels.has(own) && receive(message));
    channels.add(own);
    return {
      post: (message) => {
        const cloned = structuredClone(message);
        for (const other of channels) if (other !== own) other(cloned);
      },
      close: () => void channels.delete(own),
    };
  }
}
