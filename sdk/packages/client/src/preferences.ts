// Which channels and categories the person wants: shown at once as changed, put back if the server refuses.

import { asError, type HeliographError } from "./errors.ts";
import type { Call } from "./http.ts";
import { Cell } from "./readable.ts";
import type { DeepPartial, Preferences, PreferencesSnapshot } from "./types.ts";
import { type Json, object } from "./wire.ts";

type Choice = Preferences["channels"];

export class LivePreferences extends Cell<PreferencesSnapshot> {
  readonly #call: Call;
  #server: Preferences | null = null;
  readonly #changes = new Set<DeepPartial<Preferences>>();
  #queue: Promise<unknown> = Promise.resolve();

  constructor(call: Call) {
    super({ preferences: null, isLoading: false, error: null });
    this.#call = call;
  }

  /** Rejects when it fails; the error also stands in the snapshot. */
  load(): Promise<void> {
    return this.#inTurn(() => this.#ask("GET"));
  }

  /** Changes what is named and nothing else. Rejects when the server refuses, and shows what was before. */
  async update(change: DeepPartial<Preferences>): Promise<void> {
    this.#changes.add(change);
    this.#draw();
    await this.#inTurn(async () => {
      try {
        // The call replaces everything, so it must begin with everything.
        const before = this.#server ?? (await this.#ask("GET"));
        await this.#ask("PUT", merged(before, change));
      } finally {
        this.#changes.delete(change);
      }
    });
  }

  async #ask(method: "GET" | "PUT", body?: Preferences): Promise<Preferences> {
    this.#server = parse(await this.#call(method, "/v1/preferences", body));
    return this.#server;
  }

  #inTurn(work: () => Promise<unknown>): Promise<void> {
    const done = this.#queue.then(async () => {
      if (!this.#server) this.#draw(null, true);
      try {
        await work();
        this.#draw();
      } catch (error) {
        this.#draw(asError(error));
        throw error;
      }
    });
    this.#queue = done.catch(() => undefined);
    return done;
  }

  #draw(error: HeliographError | null = null, isLoading = false): void {
    const preferences = this.#server && [...this.#changes].reduce(merged, this.#server);
    this.set({ preferences, isLoading, error });
  }
}

function parse(json: Json): Preferences {
  // What this version doesn't know goes back as it came: the call replaces everything.
  return {
    ...json,
    channels: object(json["channels"]) ?? {},
    categories: (object(json["categories"]) ?? {}) as Preferences["categories"],
  };
}

/** A channel that the change doesn't name, or names as undefined, stays as it was. */
function merged(before: Preferences, change: DeepPartial<Preferences>): Preferences {
  const categories = { ...before.categories };
  for (const [name, choice] of Object.entries(change.categories ?? {}))
    categories[name] = given(categories[name], choice);
  return { ...before, channels: given(before.channels, change.channels), categories };
}

function given(before: Choice = {}, change: DeepPartial<Choice> = {}): Choice {
  return { ...before, ...(JSON.parse(JSON.stringify(change)) as Choice) };
}
