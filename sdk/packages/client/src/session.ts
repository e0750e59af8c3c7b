// The live side of the client: who the user is, which tab leads, and what becomes of every frame. Puts token, tabs,
// link and stream together, and hands what has arrived to the collection.

import type { Collection } from "./collection.ts";
import type { Machine, Phase } from "./connection.ts";
import { HeliographError } from "./errors.ts";
import { Link } from "./link.ts";
import type { Environment, Signal, Transport } from "./ports.ts";
import { Cell } from "./readable.ts";
import { Stream } from "./resume.ts";
import { type Crew, crewOf, type SharedFrame, type SharedState, type Told } from "./tabs.ts";
import type { Tokens } from "./token.ts";
import type { ConnectionState, ConnectionStatus, Notification } from "./types.ts";
import { type Recount, recounting } from "./unread.ts";
import type { AllRead, Arrival, Connected, Marked, Position } from "./wire.ts";

export interface SessionPorts {
  readonly baseUrl: string;
  readonly environment: Environment;
  readonly transport: Transport;
  readonly tokens: Tokens;
  readonly crossTab: boolean;
  readonly device: string | null;
  readonly collection: Collection;
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
  readonly #ports: SessionPorts;
  readonly #link: Link;
  readonly #recount: Recount;
  #stream = new Stream();
  #crew: Crew | null = null;
  #device: string | null;
  leads = false;
  /** Resolves once this tab leads; null = it has not asked yet. */
  #leading: Promise<void> | null = null;
  /** Ends what this start began; null = stopped. */
  #end: (() => void) | null = null;
  /** Whether lists should be loaded when they are made. */
  ready = false;

  constructor(ports: SessionPorts) {
    this.#ports = ports;
    this.#device = ports.device;
    this.#recount = recounting(ports.environment, () => void this.#countUnread());
    this.#link = new Link({
      ...ports,
      url: `${ports.baseUrl.replace(/^http/i, "ws")}/v1/realtime`,
      since: () => this.position,
      device: () => this.#device,
      // Resolves when this tab may connect: as the leader of the user's tabs. Asked with a token at hand.
      turn: () => {
        this.#leading ??= this.#join();
        return this.#leading;
      },
      changed: (machine) => this.#machineChanged(machine),
      frame: (frame) => this.#received(frame),
      refused: (error) => this.refused(error),
    });
    ports.tokens.onRenewed = () => this.#renew();
  }

  /** Of this user of this server, in what tabs and starts share. */
  get name(): string {
    const { tokens, baseUrl } = this.#ports;
    return `heliograph ${baseUrl} ${tokens.claims.tenant} ${tokens.claims.user}`;
  }

  get position(): Position | null {
    return this.#stream.position;
  }

  start(): void {
    if (this.#end) return;
    const { clock } = this.#ports.environment;
    const cancelLoad = clock.after(LOAD_WITHIN_MS, () => this.#becomeReady());
    const deaf = this.#ports.environment.listen((signal) => this.#signalled(signal));
    this.#end = () => {
      cancelLoad();
      deaf();
    };
    this.#link.step({ is: "start" });
  }

  stop(): void {
    this.#leave();
    this.connection.set({ ...IDLE, status: "closed" });
  }

  /** The token is no good, here or in an HTTP call: nothing is tried any more until the next start. */
  refused(error: HeliographError): void {
    if (!this.#ports.tokens.refuse(error)) return;
    this.#leave();
    this.connection.set({ ...IDLE, status: "unauthorized", error });
    this.#ports.refused(error);
  }

  setDevice(device: string | null): void {
    this.#crew?.tell({ k: "device", device });
    this.#takeDevice(device);
  }

  /** Runs at random within half a minute, if it isn't stopped by then: so that not everybody comes at once. */
  later(run: () => void): void {
    const { environment } = this.#ports;
    const current = this.#end;
    environment.clock.after(environment.random() * LATER_WITHIN_MS, () => current && this.#end === current && run());
  }

  /** The unread count is in doubt. */
  doubt(): void {
    if (this.leads) this.#recount.soon();
    else this.#crew?.tell({ k: "recount" });
  }

  // --- beginning and end ---

  async #join(): Promise<void> {
    const current = this.#end;
    const position = await this.#ports.identified();
    if (this.#end !== current) return;
    if (!this.position) this.#stream = new Stream(position);
    const { environment, crossTab, tokens } = this.#ports;
    // Without a user's name tabs of two users might share a connection.
    const tabs = crossTab && tokens.claims.user !== null ? environment.tabs : null;
    await new Promise<void>((resolve) => {
      this.#crew = crewOf(tabs, this.name, {
        lead: () => {
          if (this.#end !== current) return;
          this.leads = true;
          resolve();
        },
        told: (message) => this.#end === current && this.#told(message),
        warn: this.#ports.warn,
      });
    });
  }

  #leave(): void {
    this.#end?.();
    this.#end = null;
    this.ready = false;
    this.#link.step({ is: "stop" });
    this.leads = false;
    this.#leading = null;
    this.#recount.stop();
    this.#ports.tokens.rest();
    this.#crew?.leave();
    this.#crew = null;
  }

  // --- what comes over the connection ---

  #received(frame: SharedFrame): void {
    if (!this.#take(frame, this.position?.epoch, true)) return;
    this.#crew?.tell({ k: "frame", epoch: this.position?.epoch, frame });
    // After the others were told: what was acknowledged must not be lost with this tab.
    if (frame.t === "notification") this.#link.ack(frame.offset);
  }

  /** A frame of this tab's connection (`own`) or of the leader's. False = a double, or one that comes again. */
  #take(frame: SharedFrame, epoch: string | undefined, own: boolean): boolean {
    if (frame.t === "connected") this.#connected(frame);
    else if (frame.t !== "notification") this.#marked(frame);
    else return this.#arrived(frame, epoch, own);
    return true;
  }

  #arrived({ offset, notification }: Arrival, epoch = "", own: boolean): boolean {
    const verdict = this.position?.epoch === epoch ? this.#stream.arrived(offset) : "jump";
    if (verdict === "duplicate") return false;
    if (verdict === "jump") {
      if (own && this.#stream.retryAfterJump()) {
        this.#link.step({ is: "jumped" });
        return false;
      }
      this.#skipTo({ epoch, offset });
    }
    if (!notification) this.#ports.warn("Ignored: unknown frame.");
    else {
      if (this.#ports.collection.arrived(notification)) this.#recount.arrived();
      this.#ports.arrived(notification);
    }
    this.#ports.moved();
    return true;
  }

  /** Goes on from here; what lies before is loaded with the lists. */
  #skipTo(position: Position): void {
    this.#stream.moveTo(position);
    this.#ports.stale();
  }

  #connected(frame: Connected): void {
    const { collection } = this.#ports;
    const whole = this.#stream.connected(frame);
    const agrees = frame.unread === null || frame.unread === collection.unread;
    this.#counted(frame.unread);
    const first = !this.ready;
    this.#becomeReady();
    if (first) return this.#ports.moved();
    if (!whole || !agrees) this.#ports.stale();
    // Marks made elsewhere during the gap aren't resent, so the lists are looked through again.
    else this.later(() => this.#ports.stale());
    this.#ports.moved();
  }

  #marked(frame: Marked | AllRead): void {
    const { collection } = this.#ports;
    if (frame.t === "all_read") {
      if (!collection.allRead(frame)) this.#ports.stale();
    } else if (!collection.marked(frame)) this.#ports.stale(frame.id);
    if (frame.unread !== null) this.#recount.counted();
  }

  #counted(unread: number | null): void {
    if (unread === null) return;
    this.#ports.collection.counted(unread);
    this.#recount.counted();
  }

  async #countUnread(): Promise<void> {
    if (!this.leads) return;
    const { collection } = this.#ports;
    const since = collection.moment();
    const unread = await this.#ports.countUnread().catch(() => null);
    if (unread === null || !this.leads) return;
    if (!collection.counted(unread, since)) return this.#recount.soon();
    this.#recount.counted();
    this.#crew?.tell({ k: "count", unread });
  }

  #becomeReady(): void {
    this.ready = true;
    this.#ports.ready();
  }

  // --- what other tabs say ---

  #told(message: Told): void {
    switch (message.k) {
      case "hello":
        return this.#tellState();
      case "state":
        return this.leads ? undefined : this.#follow(message.state, message.position);
      case "frame":
        return void this.#take(message.frame, message.epoch, false);
      case "count":
        return void this.#ports.collection.counted(message.unread);
      case "device":
        return this.#takeDevice(message.device);
      case "focus":
        return this.leads ? this.#signalled("focus") : undefined;
      case "recount":
        return this.leads ? this.doubt() : undefined;
    }
  }

  #follow({ error, ...state }: SharedState, position: Position | null): void {
    const shown = error && new HeliographError(error.code, error.message, { status: error.status });
    this.connection.set({ ...state, error: shown, leader: false });
    if (state.status !== "connected" || this.ready) return;
    // Lists are loaded from now on, and frames come from now on: nothing before matters.
    if (position) this.#stream.moveTo(position);
    this.#becomeReady();
  }

  #takeDevice(device: string | null): void {
    if (device === this.#device) return;
    this.#device = device;
    this.#renew();
  }

  /** Says the newer token, or device, to the server: by coming back with it. */
  #renew(): void {
    if (this.leads) this.#link.step({ is: "renewed" });
  }

  // --- what is shown ---

  #signalled(signal: Signal): void {
    if (this.leads) this.#link.step({ is: "signal", signal });
    else if (signal === "focus" || signal === "online") this.#crew?.tell({ k: "focus" });
  }

  #machineChanged({ phase, waitMs, error }: Machine): void {
    // A tab that follows shows what the leader says.
    if (!this.#end || (this.#crew && !this.leads)) return;
    const waiting = phase === "waiting";
    const status =
      waiting && !this.#ports.environment.isOnline() ? "offline" : (STATUS[phase] ?? (phase as ConnectionStatus));
    this.connection.set({ status, retryAt: waiting ? Date.now() + waitMs : null, error, leader: this.leads });
    this.#tellState();
  }

  #tellState(): void {
    if (!this.leads) return;
    const { status, retryAt, error } = this.connection.getSnapshot();
    const shared = error && { code: error.code, message: error.message, status: error.status };
    this.#crew?.tell({ k: "state", state: { status, retryAt, error: shared }, position: this.position });
  }
}
