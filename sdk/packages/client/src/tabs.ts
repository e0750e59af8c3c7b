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
  | { readonly k: "frame"; readonly epoch: string | undefined; readonly frame: SharedFrame }
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

export interface Crew {
  tell(message: Told): void;
  /** The next tab leads. */
  leave(): void;
}

/** `tabs` null = this one is alone, and leads at once. */
export function crewOf(tabs: Tabs | null, name: string, { lead, told, warn }: CrewEvents): Crew {
  const alone = (error: unknown) => {
    warn("Tabs can't share a connection.", error);
    lead();
  };
  let channel: Channel | undefined;
  let leave = (): void => undefined;
  const tell = (message: Told) => channel?.post(message);
  if (tabs) {
    const left = new Promise<void>((resolve) => {
      leave = resolve;
    });
    try {
      channel = tabs.channel(name, (message) => told(message as Told));
      const hold = () => {
        lead();
        return left;
      };
      tabs.lock(name, hold, left).catch(alone);
      tell({ k: "hello" });
    } catch (error) {
      alone(error);
    }
  } else lead();
  return {
    tell,
    leave: () => {
      leave();
      channel?.close();
    },
  };
}
