// This phone as a push device of the signed-in user: registers after permission, again when the token changed or a week
// has passed, and removes it. Reads the push source and the storage, writes the storage and the server's devices. Never
// asks for permission by itself.

import type { Heliograph, KeyValueStorage, Readable } from "@heliograph/client";
import type { PushSource, PushToken } from "./source.ts";

/**
 * `checking`: nothing is known yet. `denied`: the person said no, and only the system's settings can change it. `off`:
 * this phone gets no pushes, because nobody asked yet or it was taken off. `on`: it gets them.
 */
export type PushStatus = "checking" | "denied" | "off" | "on";

export interface PushState {
  readonly status: PushStatus;
  readonly isBusy: boolean;
  /** Why the last try failed; the next is made with the next connection. */
  readonly error: Error | null;
  /** The server's id of this device, while `on`. */
  readonly deviceId: string | null;
}

/** What is kept between starts. */
export interface PushRecord extends PushToken {
  readonly id: string;
  readonly user: string;
  /** Milliseconds since 1970 by this phone's clock. */
  readonly at: number;
}

/** The parts a registration works with. */
export interface PushParts {
  readonly client: Pick<Heliograph, "user" | "devices" | "setDevice">;
  readonly source: PushSource;
  readonly records: PushRecords;
}

const REGISTER_AGAIN_AFTER_MS = 7 * 24 * 60 * 60 * 1000;

/** Whether the server still knows exactly this. A clock that was set back counts as a week gone by. */
function isCurrent(record: PushRecord | null, token: PushToken, user: string, nowMs: number): record is PushRecord {
  return isYoung(record, user, nowMs) && record.kind === token.kind && record.value === token.value;
}

function isYoung(record: PushRecord | null, user: string, nowMs: number): record is PushRecord {
  if (record?.user !== user) return false;
  const age = nowMs - record.at;
  return age >= 0 && age < REGISTER_AGAIN_AFTER_MS;
}

/** The record of one server in the app's storage; without a storage, or when it fails, it lasts as long as the app. */
export class PushRecords {
  readonly #storage: KeyValueStorage | null;
  readonly #key: string;
  #known: PushRecord | null = null;

  constructor(storage: KeyValueStorage | null, baseUrl: string) {
    this.#storage = storage;
    this.#key = `heliograph:push:${baseUrl}`;
  }

  async load(): Promise<PushRecord | null> {
    if (this.#known) return this.#known;
    try {
      this.#known = recordOf(await this.#storage?.get(this.#key));
    } catch {
      // Nothing is lost: it is registered once more.
    }
    return this.#known;
  }

  async save(record: PushRecord | null): Promise<void> {
    this.#known = record;
    try {
      await (record ? this.#storage?.set(this.#key, JSON.stringify(record)) : this.#storage?.remove(this.#key));
    } catch {
      // As above.
    }
  }
}

function recordOf(text: string | null | undefined): PushRecord | null {
  const record = text ? (JSON.parse(text) as Partial<PushRecord> | null) : null;
  return typeof record?.id === "string" && typeof record.user === "string" && typeof record.at === "number"
    ? (record as PushRecord)
    : null;
}

const CHECKING: PushState = { status: "checking", isBusy: false, error: null, deviceId: null };
const OFF: PushState = { ...CHECKING, status: "off" };

export class PushRegistration implements Readable<PushState> {
  readonly #parts: PushParts;
  readonly #listeners = new Set<() => void>();
  #state = CHECKING;
  #turn: Promise<void> = Promise.resolve();
  /** The record was compared with the phone's token since this start. */
  #compared = false;
  #takenOff = false;

  constructor(parts: PushParts) {
    this.#parts = parts;
  }

  readonly getSnapshot = (): PushState => this.#state;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  };

  /** Follows token changes until the answer is called. */
  listen(): () => void {
    return this.#parts.source.onTokenChange((read) => void this.#inTurn(() => this.#ensure(read)));
  }

  /** Registers if the permission is there and the server may not know this phone. Never rejects. */
  check(): Promise<void> {
    return this.#inTurn(() => this.#ensure());
  }

  /** Asks for permission if need be, then registers. Never rejects: what became of it stands in the state. */
  register(): Promise<void> {
    return this.#inTurn(async () => {
      this.#takenOff = false;
      this.#set({ ...this.#state, isBusy: true });
      await this.#parts.source.requestPermission();
      await this.#ensure();
    });
  }

  /**
   * Removes this device from the user, for signing out; it stays away until `register` or the next start. Rejects with
   * a HeliographError when the server can't be told.
   */
  unregister(): Promise<void> {
    this.#takenOff = true;
    return this.#next(async () => {
      await this.#forget();
      this.#set(OFF);
    });
  }

  async #ensure(read?: () => Promise<PushToken>): Promise<void> {
    const { client, source, records } = this.#parts;
    const permission = await source.permission();
    if (permission !== "granted") return this.#without(permission);
    const record = await records.load();
    const { user } = client;
    if (this.#takenOff || user === null) return;
    const nowMs = Date.now();
    if (this.#compared && !read && isYoung(record, user, nowMs)) return;
    const token = await (read ?? source.getToken)();
    this.#on(isCurrent(record, token, user, nowMs) ? record : await this.#replace(record, token, user));
  }

  async #replace(old: PushRecord | null, token: PushToken, user: string): Promise<PushRecord> {
    const { client, records } = this.#parts;
    this.#set({ ...this.#state, isBusy: true });
    const { id } = await client.devices.register(token.kind, token.value);
    const record = { ...token, id, user, at: Date.now() };
    await records.save(record);
    // The old token is dead, and the server would find out with the next push.
    if (old && old.id !== id && old.user === user) await client.devices.remove(old.id).catch(() => {});
    return record;
  }

  #on({ id }: PushRecord): void {
    this.#compared = true;
    this.#parts.client.setDevice(id);
    this.#set({ status: "on", isBusy: false, error: null, deviceId: id });
  }

  async #without(permission: "denied" | "undetermined"): Promise<void> {
    await this.#forget();
    this.#set({ ...OFF, status: permission === "denied" ? "denied" : "off" });
  }

  async #forget(): Promise<void> {
    const { client, records } = this.#parts;
    const record = await records.load();
    this.#compared = false;
    // Before the first token nobody is signed in, so the server can't be told; the record waits for them.
    if (!record || client.user === null) return;
    if (record.user === client.user) await client.devices.remove(record.id);
    await records.save(null);
    client.setDevice(null);
  }

  /** One after the other: two at once would register twice. A failure becomes a state. */
  #inTurn(work: () => Promise<void>): Promise<void> {
    return this.#next(async () => {
      try {
        await work();
        if (this.#state.isBusy) this.#set({ ...this.#state, isBusy: false });
      } catch (error) {
        this.#failed(error instanceof Error ? error : new Error(String(error)));
      }
    });
  }

  #failed(error: Error): void {
    const { status } = this.#state;
    this.#set({ ...this.#state, status: status === "checking" ? "off" : status, isBusy: false, error });
  }

  #next(work: () => Promise<void>): Promise<void> {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => {});
    return done;
  }

  #set(state: PushState): void {
    this.#state = state;
    for (const listener of [...this.#listeners]) listener();
  }
}
