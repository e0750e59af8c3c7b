// A component of this package inside its provider, in front of a server in memory; the clock is the test's.

import { act, render } from "@testing-library/react-native";
import type { ReactNode } from "react";
import { AppState, type AppStateStatus } from "react-native";
import { HeliographProvider, type NativeOwnClient } from "../../src/index.ts";
import { type FakeServer, tokenOf } from "./server.ts";

type Options = Partial<Omit<NativeOwnClient, "client" | "children">>;

/** Renders and waits until it is connected, or as far as it gets. */
export async function shown(server: FakeServer, children: ReactNode, options: Options = {}) {
  const app = (inside: ReactNode, changed: Options = {}) => (
    <HeliographProvider
      baseUrl="https://notify.example"
      getToken={() => tokenOf("ada")}
      transport={server.transport}
      {...options}
      {...changed}
    >
      {inside}
    </HeliographProvider>
  );
  const view = render(app(children));
  await settle();
  return { ...view, again: (inside: ReactNode, changed: Options = {}) => view.rerender(app(inside, changed)) };
}

/** Lets `ms` pass, and everything that follows from it happen. React renders at the end of an `act`, hence several. */
export async function settle(ms = 80): Promise<void> {
  for (let round = 0; round < 4; round++) {
    await act(async () => {
      await jest.advanceTimersByTimeAsync(ms / 4);
    });
  }
}

/** Does something in the outside world, and lets the app take notice. */
export async function happens(change: () => void): Promise<void> {
  await act(async () => change());
  await settle();
}

const listeners = new Set<(state: AppStateStatus) => void>();

/** The phone's AppState in the test's hands. React Native's own mock never tells anything. */
export function controlAppState(): void {
  listeners.clear();
  AppState.currentState = "active";
  jest.spyOn(AppState, "addEventListener").mockImplementation((event, listener) => {
    if (event === "change") listeners.add(listener);
    return { remove: () => void listeners.delete(listener) } as ReturnType<typeof AppState.addEventListener>;
  });
}

/** The app goes to the background, comes back, and so on. */
export async function appGoes(state: AppStateStatus): Promise<void> {
  await happens(() => tellAppState(state));
}

export function tellAppState(state: AppStateStatus): void {
  AppState.currentState = state;
  for (const listener of [...listeners]) listener(state);
}

export function appStateListeners(): number {
  return listeners.size;
}

/** AsyncStorage in memory. */
export class MemoryStorage {
  readonly kept = new Map<string, string>();
  async getItem(key: string): Promise<string | null> {
    return this.kept.get(key) ?? null;
  }
  async setItem(key: string, value: string): Promise<void> {
    this.kept.set(key, value);
  }
  async removeItem(key: string): Promise<void> {
    this.kept.delete(key);
  }
}
