// One connection for all tabs of a user: which tab holds it (a Web Lock), and what the tabs tell each other (a
// BroadcastChannel). The tab with the lock leads; when it closes, the browser gives the lock to the next.

import type { Channel, Tabs } from "./ports.ts";
import type { ConnectionStatus } from "./types.ts";
import type { AllRead, Arrival, Connected, Marked, Position } from "./wire.ts";

export type SharedFrame = Connected | Arrival | Marked | AllRead;

/** ConnectionState without what can't be cloned. */
export interface SharedState {
  readonly status: ConnectionStatus;
  readonly retryAt: number | null;
  readonly error: { readonly code: string; readonly message: string; readonly status: number } | null;
}

export type Told =
  /** A tab is new: the leader says where it stands. */
  | { readonly k: "hello" }
  | { readonly k: "state"; readonly state: SharedState; readonly position: Position | null }
  | { readonly k: "frame"; readonly epoch: string; readonly frame: SharedFrame }
  | { readonly k: "count"; readonly unread: number }
  /** To the leader. */
  | { readonly k: "focus" | "recount" }
  | { readonly k: "device"; readonly device: string | null };

export interface CrewEvents {
  /** This tab holds the lock now. */
  lead(): void;
  told(message: Told): void;
  warn(message: string, details?: unknown): void;
}

const ALONE = "Tabs can't share a connection here: this one has its own.";

export class Crew {
  readonly #channel: Channel | null;
  #leave = (): void => undefined;

  /** `tabs` null = this one is alone, and leads at once. */
  constructor(tabs: Tabs | null, name: string, events: CrewEvents) {
    this.#channel = tabs && channelOf(tabs, name, events);
    if (!tabs || !this.#channel) {
      events.lead();
      return;
    }
    const left = new Promise<void>((resolve) => {
      this.#leave = resolve;
    });
    const hold = () => {
      events.lead();
      return left;
    };
    tabs.lock(name, hold, left).catch((error: unknown) => {
      events.warn(ALONE, error);
      events.lead();
    });
    this.tell({ k: "hello" });
  }

  tell(message: Told): void {
    this.#channel?.post(message);
  }

  /** The next tab leads. */
  leave(): void {
    this.#leave();
    this.#channel?.close();
  }
}

function channelOf(tabs: Tabs, name: string, events: CrewEvents): Channel | null {
  try {
    return tabs.channel(name, (message) => events.told(message as Told));
  } catch (error) {
    events.warn(ALONE, error);
    return null;
  }
}
