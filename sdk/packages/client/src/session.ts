// The live side of the client: who the user is, which tab leads, and what becomes of every frame. Puts token, tabs,
// link and stream together, and hands what has arrived to the collection.

import type { Collection } from "./collection.ts";
import type { Machine, Phase } from "./connection.ts";
import { HeliographError } from "./errors.ts";
import { Link } from "./link.ts";
import type { Environment, Signal, Transport } from "./ports.ts";
import { Cell } from "./readable.ts";
import { Stream } from "./resume.ts";
import { Crew, type SharedFrame, type SharedState, type Told } from "./tabs.ts";
import type { Tokens } from "./token.ts";
import type { ConnectionState, ConnectionStatus, Notification } from "./types.ts";
import { Recount } from "./unread.ts";
import type { Arrival, Connected, Position } from "./wire.ts";

export interface SessionOptions {
  readonly baseUrl: string;
  readonly environment: Environment;
  readonly transport: Transport;
  readonly tokens: Tokens;
  readonly crossTab: boolean;
  readonly device: string | null;
  readonly collection: Collection;
}

export interface SessionEvents {
  /** The user is known: answers where their stream was left, if that is known. */
  identified(): Promise<Position | null>;
  /** Lists that aren't loaded yet should be. */
  ready(): void;
  /** Something may have been missed: `id` = only what could hold this item. */
  stale(id?: string): void;
  arrived(notification: Notification): void;
  /** The position moved. */
  moved(): void;
  /** Asks the server for the unread count. */
  countUnread(): Promise<number>;
  refused(error: HeliographError): void;
  readonly warn: (message: string, details?: unknown) => void;
}

/** What pages needn't tell apart. */
const STATUS: Partial<Record<Phase, ConnectionStatus>> = {
  authorizing: "connecting",
  opening: "connecting",
  suspended: "idle",
};
const IDLE: ConnectionState = { status: "idle", retryAt: null, error: null, leader: false };
/** Lists are loaded once the connection stands, so that nothing falls in between; but not later than this. */
const LOAD_WITHIN_MS = 1_000;
const LATER_WITHIN_MS = 30_000;

export class Session {
  readonly connection = new Cell<ConnectionState>(IDLE);
  readonly #options: SessionOptions;
  readonly #events: SessionEvents;
  readonly #link: Link;
  readonly #recount: Recount;
  #stream = new Stream();
  #crew: Crew | null = null;
  #device: string | null;
  #leader = false;
  /** Resolves once this tab leads; null = it has not asked yet. */
  #leading: Promise<void> | null = null;
  /** Ends what this start began; null = stopped. */
  #end: (() => void) | null = null;
  #ready = false;

  constructor(options: SessionOptions, events: SessionEvents) {
    this.#options = options;
    this.#events = events;
    this.#device = options.device;
    this.#recount = new Recount(options.environment, () => void this.#countUnread());
    this.#link = new Link(
      {
        ...options,
        url: `${options.baseUrl.replace(/^http/i, "ws")}/v1/realtime`,
        since: () => this.#stream.position,
        device: () => this.#device,
        turn: () => this.#turn(),
      },
      {
        changed: (machine) => this.#machineChanged(machine),
        frame: (frame) => this.#received(frame),
        refused: (error) => this.refused(error),
        warn: events.warn,
      },
    );
    options.tokens.onRenewed = () => this.#leader && this.#link.reconnect("renewed");
  }

  get leads(): boolean {
    return this.#leader;
  }

  get position(): Position | null {
    return this.#stream.position;
  }

  /** Whether lists should be loaded when they are made. */
  get ready(): boolean {
    return this.#ready;
  }

  start(): void {
    if (this.#end) return;
    const { clock } = this.#options.environment;
    const cancelLoad = clock.after(LOAD_WITHIN_MS, () => this.#becomeReady());
    const deaf = this.#options.environment.listen((signal) => this.#signalled(signal));
    this.#end = () => {
      cancelLoad();
      deaf();
    };
    this.#link.start();
  }

  stop(): void {
    this.#leave();
    this.connection.set({ ...IDLE, status: "closed" });
  }

  /** The token is no good, here or in an HTTP call: nothing is tried any more until the next start. */
  refused(error: HeliographError): void {
    if (!this.#options.tokens.refuse(error)) return;
    this.#leave();
    this.connection.set({ ...IDLE, status: "unauthorized", error });
    this.#events.refused(error);
  }

  setDevice(device: string | null): void {
    this.#crew?.tell({ k: "device", device });
    this.#takeDevice(device);
  }

  tokenChanged(): void {
    if (this.#leader) this.#link.reconnect("renewed");
  }

  /** Runs at random within half a minute, if it isn't stopped by then: so that not everybody comes at once. */
  later(run: () => void): void {
    const { clock, random } = this.#options.environment;
    const current = this.#end;
    clock.after(random() * LATER_WITHIN_MS, () => current && this.#end === current && run());
  }

  /** The unread count is in doubt. */
  doubt(): void {
    if (this.#leader) this.#recount.soon();
    else this.#crew?.tell({ k: "recount" });
  }

  // --- beginning and end ---

  /** Resolves when this tab may connect: as the leader of the user's tabs. Called with a token at hand. */
  #turn(): Promise<void> {
    this.#leading ??= this.#join();
    return this.#leading;
  }

  async #join(): Promise<void> {
    const current = this.#end;
    const position = await this.#events.identified();
    if (this.#end !== current) return;
    if (!this.#stream.position) this.#stream = new Stream(position);
    const { environment, crossTab, tokens, baseUrl } = this.#options;
    const { user, tenant } = tokens.claims;
    // Without a user's name tabs of two users might share a connection.
    const tabs = crossTab && user !== null ? environment.tabs : null;
    await new Promise<void>((resolve) => {
      this.#crew = new Crew(tabs, `heliograph ${baseUrl} ${tenant} ${user}`, {
        lead: () => {
          if (this.#end !== current) return;
          this.#leader = true;
          resolve();
        },
        told: (message) => this.#end === current && this.#told(message),
        warn: this.#events.warn,
      });
    });
  }

  #leave(): void {
    this.#end?.();
    this.#end = null;
    this.#ready = false;
    this.#link.stop();
    this.#leader = false;
    this.#leading = null;
    this.#recount.stop();
    this.#crew?.leave();
    this.#crew = null;
  }

  // --- what comes over the connection ---

  #received(frame: SharedFrame): void {
    if (frame.t === "connected") this.#connected(frame);
    else if (frame.t !== "notification") this.#apply(frame);
    else if (!this.#arrived(frame)) return;
    this.#crew?.tell({ k: "frame", epoch: this.#stream.position?.epoch ?? "", frame });
    // After the others were told: what was acknowledged must not be lost with this tab.
    if (frame.t === "notification") this.#link.ack(frame.offset);
  }

  /** False = not taken. */
  #arrived(frame: Arrival): boolean {
    const verdict = this.#stream.arrived(frame.offset);
    if (verdict === "duplicate") return false;
    if (verdict === "jump") {
      if (this.#stream.retryAfterJump()) {
        this.#link.reconnect("jumped");
        return false;
      }
      this.#skipTo({ epoch: this.#stream.position?.epoch ?? "", offset: frame.offset });
    }
    this.#apply(frame);
    return true;
  }

  /** Goes on from here; what lies before is loaded with the lists. */
  #skipTo(position: Position): void {
    this.#stream.moveTo(position);
    this.#events.stale();
  }

  #connected(frame: Connected): void {
    const { collection } = this.#options;
    const whole = this.#stream.connected(frame);
    const agrees = frame.unread === null || frame.unread === collection.unread;
    this.#counted(frame.unread);
    const first = !this.#ready;
    this.#becomeReady();
    if (first) return this.#events.moved();
    if (!whole || !agrees) this.#events.stale();
    // Marks made elsewhere during the gap aren't resent, so the lists are looked through again.
    else this.later(() => this.#events.stale());
    this.#events.moved();
  }

  #apply(frame: Exclude<SharedFrame, Connected>): void {
    const { collection } = this.#options;
    if (frame.t === "notification") {
      if (frame.notification === null) this.#events.warn("A notification was ignored: it has no id.");
      else if (collection.arrived(frame.notification)) this.#recount.arrived();
      if (frame.notification) this.#events.arrived(frame.notification);
      this.#events.moved();
      return;
    }
    if (frame.t === "all_read") {
      if (!collection.allRead(frame)) this.#events.stale();
    } else if (!collection.marked(frame)) this.#events.stale(frame.id);
    if (frame.unread !== null) this.#recount.counted();
  }

  #counted(unread: number | null): void {
    if (unread === null) return;
    this.#options.collection.counted(unread);
    this.#recount.counted();
  }

  async #countUnread(): Promise<void> {
    if (!this.#leader) return;
    const { collection } = this.#options;
    const since = collection.moment();
    const unread = await this.#events.countUnread().catch(() => null);
    if (unread === null || !this.#leader) return;
    if (!collection.counted(unread, since)) return this.#recount.soon();
    this.#recount.counted();
    this.#crew?.tell({ k: "count", unread });
  }

  #becomeReady(): void {
    this.#ready = true;
    this.#events.ready();
  }

  // --- what other tabs say ---

  #told(message: Told): void {
    switch (message.k) {
      case "hello":
        return this.#tellState();
      case "state":
        return this.#leader ? undefined : this.#follow(message.state, message.position);
      case "frame":
        return this.#shared(message.epoch, message.frame);
      case "count":
        return void this.#options.collection.counted(message.unread);
      case "device":
        return this.#takeDevice(message.device);
      case "focus":
        return this.#leader ? this.#link.signal("focus") : undefined;
      case "recount":
        return this.#leader ? this.#recount.soon() : undefined;
    }
  }

  #follow({ error, ...state }: SharedState, position: Position | null): void {
    const shown = error && new HeliographError(error.code, error.message, { status: error.status });
    this.connection.set({ ...state, error: shown, leader: false });
    if (state.status !== "connected" || this.#ready) return;
    // Lists are loaded from now on, and frames come from now on: nothing before matters.
    if (position) this.#stream.moveTo(position);
    this.#becomeReady();
  }

  #shared(epoch: string, frame: SharedFrame): void {
    if (frame.t === "connected") return this.#connected(frame);
    if (frame.t !== "notification") return this.#apply(frame);
    const known = this.#stream.position;
    const verdict = known?.epoch === epoch ? this.#stream.arrived(frame.offset) : "jump";
    if (verdict === "duplicate") return;
    if (verdict === "jump") this.#skipTo({ epoch, offset: frame.offset });
    this.#apply(frame);
  }

  #takeDevice(device: string | null): void {
    if (device === this.#device) return;
    this.#device = device;
    if (this.#leader) this.#link.reconnect("renewed");
  }

  // --- what is shown ---

  #signalled(signal: Signal): void {
    if (this.#leader) this.#link.signal(signal);
    else if (signal === "focus" || signal === "online") this.#crew?.tell({ k: "focus" });
  }

  #machineChanged({ phase, waitMs, error }: Machine): void {
    // A tab that follows shows what the leader says.
    if (!this.#end || (this.#crew && !this.#leader)) return;
    const waiting = phase === "waiting";
    const status =
      waiting && !this.#options.environment.isOnline() ? "offline" : (STATUS[phase] ?? (phase as ConnectionStatus));
    this.connection.set({ status, retryAt: waiting ? Date.now() + waitMs : null, error, leader: this.#leader });
    this.#tellState();
  }

  #tellState(): void {
    if (!this.#leader) return;
    const { status, retryAt, error } = this.connection.getSnapshot();
    const shared = error && { code: error.code, message: error.message, status: error.status };
    this.#crew?.tell({ k: "state", state: { status, retryAt, error: shared }, position: this.#stream.position });
  }
}
