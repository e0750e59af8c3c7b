// One live connection after the other: does what connection.ts decides, with the real socket, clock and token. Reads
// frames from the server and hands them on; knows nothing of inboxes and tabs.

import { type Effect, type Event, IDLE, type Machine, step, type Timer } from "./connection.ts";
import type { HeliographError } from "./errors.ts";
import type { Environment, Socket, Transport } from "./ports.ts";
import type { Tokens } from "./token.ts";
import { type Frame, type Position, parseFrame } from "./wire.ts";

export interface LinkPorts {
  readonly url: string;
  readonly transport: Transport;
  readonly environment: Environment;
  readonly tokens: Tokens;
  /** Asked at every connect. */
  readonly since: () => Position | null;
  readonly device: () => string | null;
  /** Asked with a token at hand: resolves when this link may open. */
  readonly turn: () => Promise<void>;
  changed(machine: Machine): void;
  frame(frame: Exclude<Frame, { t: "ping" | "pong" | "reconnect" }>): void;
  refused(error: HeliographError): void;
  warn(message: string, details?: unknown): void;
}

const ACK_WITHIN_MS = 50;

export class Link {
  readonly #ports: LinkPorts;
  #machine: Machine = IDLE;
  #socket: Socket | null = null;
  /** Which socket's events count; those of earlier ones are late. */
  #serial = 0;
  #token = "";
  #acked = -1;
  readonly #timers = new Map<Timer | "ack", () => void>();

  constructor(ports: LinkPorts) {
    this.#ports = ports;
  }

  /** Everything up to here has arrived. Told to the server once for a burst. */
  ack(offset: number): void {
    this.#acked = Math.max(this.#acked, offset);
    if (this.#timers.has("ack")) return;
    this.#set("ack", ACK_WITHIN_MS, () => this.#sendAck());
  }

  step(event: Event): void {
    const before = this.#machine;
    const [machine, effects] = step(before, event, this.#ports.environment.random());
    this.#machine = machine;
    for (const effect of effects) this.#do(effect);
    if (machine !== before && machine === this.#machine) this.#ports.changed(machine);
  }

  #do(effect: Effect): void {
    switch (effect.do) {
      case "authorize":
        return void this.#authorize(effect.fresh);
      case "open":
        return this.#open();
      case "hello": {
        const since = this.#ports.since();
        const device = this.#ports.device();
        return this.#send({ t: "connect", token: this.#token, ...(since && { since }), ...(device && { device }) });
      }
      case "ping":
        return this.#send({ t: "ping" });
      case "leave":
        return this.#leave();
      case "set":
        return this.#set(effect.timer, effect.ms, () => this.step({ is: "timer", timer: effect.timer }));
      case "warn":
        return this.#ports.warn(effect.message);
      case "refuse":
        return this.#ports.refused(effect.error);
    }
  }

  async #authorize(fresh: boolean): Promise<void> {
    const serial = ++this.#serial;
    const { tokens, turn } = this.#ports;
    let event: Event = { is: "token" };
    try {
      this.#token = await (fresh ? tokens.instead(this.#token) : tokens.get());
      await turn();
      // While it waited for its turn, the token may have been replaced.
      this.#token = await tokens.get();
    } catch (error) {
      event = { is: "tokenFailed", error: error as HeliographError };
    }
    if (serial === this.#serial) this.step(event);
  }

  #open(): void {
    const serial = ++this.#serial;
    const own = <A extends unknown[]>(run: (...args: A) => void) => {
      return (...args: A) => serial === this.#serial && run(...args);
    };
    this.#socket = this.#ports.transport.connect(this.#ports.url, {
      open: own(() => this.step({ is: "opened" })),
      message: own((text) => this.#received(text)),
      close: own((code, reason) => this.step({ is: "closed", code, reason })),
    });
  }

  #leave(): void {
    if (this.#timers.has("ack")) this.#sendAck();
    for (const cancel of this.#timers.values()) cancel();
    this.#timers.clear();
    this.#serial++;
    this.#acked = -1;
    this.#socket?.close(1000);
    this.#socket = null;
  }

  #received(text: string): void {
    const frame = parseFrame(text);
    this.step({ is: "heard" });
    if (!frame) return this.#ports.warn("Ignored: unknown frame.", text.slice(0, 200));
    switch (frame.t) {
      case "ping":
        return this.#send({ t: "pong" });
      case "pong":
        return;
      case "reconnect":
        return this.step({ is: "depart", afterMs: frame.afterMs });
      case "connected":
        this.#ports.frame(frame);
        return this.step({ is: "connected", heartbeatMs: frame.heartbeatS * 1000 });
      default:
        this.#ports.frame(frame);
    }
  }

  #send(frame: object): void {
    this.#socket?.send(JSON.stringify(frame));
  }

  #sendAck(): void {
    this.#send({ t: "ack", offset: this.#acked });
  }

  #set(timer: Timer | "ack", ms: number, run: () => void): void {
    this.#timers.get(timer)?.();
    const cancel = this.#ports.environment.clock.after(ms, () => {
      this.#timers.delete(timer);
      run();
    });
    this.#timers.set(timer, cancel);
  }
}
