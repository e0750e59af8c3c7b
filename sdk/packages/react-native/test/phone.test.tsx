// The phone as the client's environment, seen from the running app.

import { act, screen } from "@testing-library/react-native";
import { AppState, Text } from "react-native";
import { Inbox, keyValueStorage, type NetInfoLike, useConnection, useUnreadCount } from "../src/index.ts";
import { appGoes, appStateListeners, controlAppState, happens, MemoryStorage, settle, shown } from "./support/app.tsx";
import { FakeServer, tokenOf } from "./support/server.ts";

let server: FakeServer;

beforeEach(() => {
  jest.useFakeTimers();
  controlAppState();
  server = new FakeServer();
});

function Status() {
  return <Text testID="status">{`${useConnection().status} ${useUnreadCount()}`}</Text>;
}

const status = () => screen.getByTestId("status").props["children"];

/** NetInfo in the test's hands; like the real one it tells the present state to who begins to listen. */
class Network implements NetInfoLike {
  #state = { type: "wifi", isConnected: true as boolean | null };
  readonly #listeners = new Set<(state: { type: string; isConnected: boolean | null }) => void>();
  readonly addEventListener: NetInfoLike["addEventListener"] = (listener) => {
    this.#listeners.add(listener);
    queueMicrotask(() => listener(this.#state));
    return () => void this.#listeners.delete(listener);
  };
  is(type: string, isConnected: boolean | null): void {
    this.#state = { type, isConnected };
    for (const listener of [...this.#listeners]) listener(this.#state);
  }
}

describe("AppState", () => {
  test("in the background the connection is closed after the grace time, so that pushes come", async () => {
    await shown(server, <Status />);
    await appGoes("background");
    await settle(2800);
    expect(server.live).toBeDefined();
    await settle(200);
    expect(server.live).toBeUndefined();
    expect(status()).toBe("idle 0");
  });

  test("back in front it connects at once, from where it stood, with what came meanwhile", async () => {
    await shown(server, <Status />);
    await appGoes("background");
    await settle(10_000);
    server.holds(2);
    await appGoes("active");
    expect(status()).toBe("connected 2");
    expect(server.live?.connect).toMatchObject({ since: { epoch: "e1", offset: 0 } });
  });

  test("a short glance elsewhere keeps the connection", async () => {
    await shown(server, <Status />);
    await appGoes("inactive");
    await settle(20_000);
    await appGoes("background");
    await settle(1000);
    await appGoes("active");
    await settle(20_000);
    expect(server.connections).toHaveLength(1);
  });

  test("an app that was started in the background, by a push, doesn't count as present", async () => {
    AppState.currentState = "background";
    await shown(server, <Status />);
    await settle(5000);
    expect(server.live).toBeUndefined();
    await appGoes("active");
    expect(status()).toBe("connected 0");
  });

  test("the grace time is the app's choice", async () => {
    await shown(server, <Status />, { backgroundGraceMs: 20_000 });
    await appGoes("background");
    await settle(19_000);
    expect(server.live).toBeDefined();
    await settle(2000);
    expect(server.live).toBeUndefined();
  });

  test("nothing listens any more once the provider is gone", async () => {
    const view = await shown(server, <Status />);
    expect(appStateListeners()).toBe(1);
    view.unmount();
    await settle();
    expect(appStateListeners()).toBe(0);
    expect(server.live).toBeUndefined();
  });
});

describe("NetInfo", () => {
  test("a network that comes back ends the wait at once", async () => {
    const netInfo = new Network();
    await shown(server, <Status />, { netInfo });
    await happens(() => {
      server.away = true;
      netInfo.is("none", false);
      server.loses();
    });
    expect(status()).toMatch(/^offline/);
    await happens(() => {
      server.away = false;
      netInfo.is("cellular", true);
    });
    expect(status()).toMatch(/^connected/);
  });

  test("another network than before: the old connection is asked whether it still lives", async () => {
    const netInfo = new Network();
    await shown(server, <Status />, { netInfo });
    await happens(() => netInfo.is("cellular", true));
    await settle(6000);
    expect(server.connections).toHaveLength(1);
    server.silent = true;
    await happens(() => netInfo.is("wifi", true));
    await settle(6000); // no answer to the ping: the connection died with the old network
    expect(server.connections.length).toBeGreaterThan(1);
    expect(status()).toMatch(/^connected/);
  });

  test("a network without the internet, or of which nothing is known, is a network", async () => {
    const netInfo = new Network();
    netInfo.is("unknown", null);
    await shown(server, <Status />, { netInfo });
    expect(status()).toMatch(/^connected/);
  });
});

describe("storage", () => {
  const inboxIs = (ids: string[]) =>
    expect(screen.queryAllByTestId(/^heliograph-item-/).map(({ props }) => props["testID"])).toEqual(
      ids.map((id) => `heliograph-item-${id}`),
    );

  async function usedBefore(storage: MemoryStorage): Promise<void> {
    server.holds(2);
    const before = await shown(server, <Inbox />, { storage, userId: "ada" });
    await settle(1000);
    before.unmount();
    await settle();
  }

  test("the list shows before the first answer", async () => {
    const storage = new MemoryStorage();
    await usedBefore(storage);
    server.away = true;
    await shown(server, <Inbox />, { storage, userId: "ada" });
    inboxIs(["n002", "n001"]);
  });

  test("it shows without a network too, when nobody gives out tokens, and becomes live later", async () => {
    const storage = new MemoryStorage();
    await usedBefore(storage);
    server.away = true;
    const getToken = jest.fn(async () => {
      if (server.away) throw new Error("no network");
      return tokenOf("ada");
    });
    await shown(
      server,
      <>
        <Inbox />
        <Status />
      </>,
      { storage, userId: "ada", getToken },
    );
    inboxIs(["n002", "n001"]);
    server.away = false;
    server.holds(3);
    await appGoes("active");
    await settle(2000);
    expect(status()).toMatch(/^connected/);
    inboxIs(["n003", "n002", "n001"]);
    expect(server.live?.connect?.token).toBe(tokenOf("ada"));
  });

  test("on a network where nothing gets through, the list is there within a second", async () => {
    const storage = new MemoryStorage();
    await usedBefore(storage);
    server.away = true;
    const getToken = jest.fn(() => (server.away ? new Promise<string>(() => {}) : tokenOf("ada")));
    await shown(
      server,
      <>
        <Inbox />
        <Status />
      </>,
      { storage, userId: "ada", getToken },
    );
    inboxIs([]);
    await settle(800);
    inboxIs(["n002", "n001"]);
    server.away = false;
    await appGoes("active");
    await settle(2000);
    expect(status()).toMatch(/^connected/);
  });

  test("nobody sees the list of who was signed in before", async () => {
    const storage = new MemoryStorage();
    await usedBefore(storage);
    const getToken = () => Promise.reject(new Error("no network"));
    await shown(server, <Inbox />, { storage, userId: "bob", getToken });
    inboxIs([]);
  });

  test("what is kept holds no token", async () => {
    const storage = new MemoryStorage();
    await usedBefore(storage);
    expect(storage.kept.size).toBeGreaterThan(1);
    expect([...storage.kept.values()].join()).not.toContain("signature");
  });

  test("a storage that fails is as good as none", async () => {
    const broken = { get: fails, set: fails, remove: fails };
    server.holds(1);
    await shown(server, <Inbox />, { storage: broken, userId: "ada" });
    inboxIs(["n001"]);
  });

  function fails(): never {
    throw new Error("full");
  }

  test.each<[string, Parameters<typeof keyValueStorage>[0]]>([
    ["AsyncStorage", new MemoryStorage()],
    ["MMKV 4", mmkv("remove")],
    ["MMKV 3", mmkv("delete")],
  ])("%s keeps, reads and removes", async (_name, given) => {
    const storage = keyValueStorage(given);
    await storage.set("key", "value");
    expect(await storage.get("key")).toBe("value");
    await storage.remove("key");
    expect((await storage.get("key")) ?? null).toBeNull();
  });

  test("a storage of the client's own kind is taken as it is", () => {
    const own = { get: () => null, set: () => {}, remove: () => {} };
    expect(keyValueStorage(own)).toBe(own);
  });
});

function mmkv<R extends "remove" | "delete">(remove: R) {
  const kept = new Map<string, string>();
  const basic = {
    getString: (key: string) => kept.get(key),
    set: (key: string, value: string) => void kept.set(key, value),
  };
  return { ...basic, [remove]: (key: string) => kept.delete(key) } as typeof basic &
    Record<R, (key: string) => boolean>;
}

test("another person signs in: another client, and nothing of the first is shown", async () => {
  server.holds(2);
  const view = await shown(server, <Status />, { userId: "ada" });
  expect(status()).toBe("connected 2");
  act(() => view.again(<Status />, { userId: "bob", getToken: () => tokenOf("bob") }));
  expect(status()).toBe("idle 0");
  await settle();
  expect(server.live?.connect?.token).toBe(tokenOf("bob"));
});
