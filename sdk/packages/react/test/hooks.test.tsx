import { Heliograph, type HeliographOptions } from "@heliograph/client";
import { act, render, renderHook, screen } from "@testing-library/react";
import { type ReactNode, StrictMode } from "react";
import { describe, expect, it, vi } from "vitest";
import {
  HeliographProvider,
  useConnection,
  useHeliograph,
  useNotificationListener,
  useNotifications,
  usePreferences,
  useUnreadCount,
} from "../src/hooks.ts";
import { FakeClient, failure, notification } from "./support/fakeClient.tsx";

function around(client: FakeClient) {
  return ({ children }: { children: ReactNode }) => (
    <HeliographProvider client={client.real}>{children}</HeliographProvider>
  );
}

/** A transport that answers nothing, so that the client of the provider is a real one. */
function options(): HeliographOptions {
  return {
    baseUrl: "http://127.0.0.1:9",
    getToken: () => "token",
    crossTab: false,
    storage: null,
    transport: { fetch: () => new Promise(() => {}), connect: () => ({ send: () => {}, close: () => {} }) },
  };
}

function Status() {
  return <p>{useConnection().status}</p>;
}

function Tell({ client }: { client: (client: Heliograph) => void }) {
  client(useHeliograph());
  return null;
}

describe("the provider", () => {
  it("starts the client it makes and stops it when it goes", async () => {
    const start = vi.spyOn(Heliograph.prototype, "start");
    const stop = vi.spyOn(Heliograph.prototype, "stop");
    const { unmount } = render(<HeliographProvider {...options()} />);
    expect(start).toHaveBeenCalledTimes(1);
    unmount();
    expect(stop).toHaveBeenCalledTimes(1);
  });

  it("works in StrictMode, where React mounts twice", async () => {
    render(
      <StrictMode>
        <HeliographProvider {...options()}>
          <Status />
        </HeliographProvider>
      </StrictMode>,
    );
    expect(await screen.findByText("connecting")).toBeTruthy();
  });

  it("connects nothing while it is not enabled", async () => {
    const page = (enabled: boolean) => (
      <HeliographProvider {...options()} enabled={enabled}>
        <Status />
      </HeliographProvider>
    );
    const { rerender } = render(page(false));
    expect(screen.getByText("idle")).toBeTruthy();
    rerender(page(true));
    expect(await screen.findByText("connecting")).toBeTruthy();
    rerender(page(false));
    expect(await screen.findByText("closed")).toBeTruthy();
  });

  it("makes another client for another person, and only then", () => {
    const clients: Heliograph[] = [];
    const page = (user: string) => (
      <HeliographProvider {...options()} userId={user}>
        <Tell client={(client) => clients.push(client)} />
      </HeliographProvider>
    );
    const { rerender } = render(page("ada"));
    rerender(page("ada"));
    expect(clients[1]).toBe(clients[0]);
    rerender(page("grace"));
    expect(clients.at(-1)).not.toBe(clients[0]);
  });

  it("says what is missing when a hook stands outside", () => {
    vi.spyOn(console, "error").mockImplementation(() => {});
    expect(() => renderHook(() => useUnreadCount())).toThrow("<HeliographProvider>");
  });
});

describe("useNotifications", () => {
  it("shows the list of its filter as it changes", () => {
    const client = new FakeClient();
    client.show({ notifications: [notification("a")] }, { unread: true });
    const { result } = renderHook(() => useNotifications({ unread: true }), { wrapper: around(client) });
    expect(result.current.notifications.map(({ id }) => id)).toEqual(["a"]);
    act(() => client.show({ notifications: [notification("b"), notification("a")], hasMore: true }, { unread: true }));
    expect(result.current.notifications.map(({ id }) => id)).toEqual(["b", "a"]);
    expect(result.current.hasMore).toBe(true);
  });

  it("keeps its list while the filter means the same, and leaves it with another", () => {
    const client = new FakeClient();
    const { result, rerender, unmount } = renderHook(({ archived }) => useNotifications({ archived }), {
      wrapper: around(client),
      initialProps: { archived: false },
    });
    const before = result.current;
    rerender({ archived: false });
    expect(result.current).toBe(before);
    rerender({ archived: true });
    expect([...client.lists.values()].map((list) => list.watched)).toEqual([false, true]);
    unmount();
    expect([...client.lists.values()].map((list) => list.watched)).toEqual([false, false]);
  });

  it("acts on items given whole or by id", async () => {
    const client = new FakeClient();
    const { result } = renderHook(() => useNotifications(), { wrapper: around(client) });
    const { read, markUnread, archive, unarchive, seen, readAll, fetchMore, refetch } = result.current;
    await Promise.all([read(notification("a")), markUnread("b"), archive(notification("c")), unarchive("d")]);
    await Promise.all([seen([notification("e"), "f"]), seen("g"), readAll(), fetchMore(), refetch()]);
    expect([client.read, client.markUnread, client.archive, client.unarchive].map((one) => one.mock.calls)).toEqual([
      [["a"]],
      [["b"]],
      [["c"]],
      [["d"]],
    ]);
    expect(client.seen.mock.calls).toEqual([[["e", "f"]], ["g"]]);
    for (const called of [client.readAll, client.fetchMore, client.refetch]) expect(called).toHaveBeenCalledTimes(1);
  });

  it("passes a refusal on to the caller", async () => {
    const client = new FakeClient();
    client.read.mockRejectedValueOnce(failure);
    const { result } = renderHook(() => useNotifications(), { wrapper: around(client) });
    await expect(result.current.read("a")).rejects.toBe(failure);
  });
});

describe("the other hooks", () => {
  it("follow count and connection", () => {
    const client = new FakeClient();
    const { result } = renderHook(() => [useUnreadCount(), useConnection().isConnected], { wrapper: around(client) });
    expect(result.current).toEqual([0, true]);
    act(() => {
      client.unread.set(3);
      client.connection.set({ status: "waiting", retryAt: 1, error: null, leader: true });
    });
    expect(result.current).toEqual([3, false]);
  });

  it("hand each arrival to the newest listener", () => {
    const client = new FakeClient();
    const heard: string[] = [];
    const { rerender, unmount } = renderHook(
      ({ prefix }) => useNotificationListener(({ id }) => void heard.push(prefix + id)),
      { wrapper: around(client), initialProps: { prefix: "1" } },
    );
    client.arrive(notification("a"));
    rerender({ prefix: "2" });
    client.arrive(notification("b"));
    unmount();
    client.arrive(notification("c"));
    expect(heard).toEqual(["1a", "2b"]);
  });

  it("load the preferences once, and survive that it fails", async () => {
    const client = new FakeClient();
    client.preferences.load.mockRejectedValueOnce(failure);
    const { result } = renderHook(() => usePreferences(), { wrapper: around(client) });
    expect(client.preferences.load).toHaveBeenCalledTimes(1);
    const known = { channels: { email: false }, categories: {} };
    act(() => client.preferences.set({ preferences: known, isLoading: false, error: null }));
    expect(result.current.preferences).toBe(known);
    renderHook(() => usePreferences(), { wrapper: around(client) });
    expect(client.preferences.load).toHaveBeenCalledTimes(1);
    await result.current.update({ channels: { email: true } });
    expect(client.preferences.update).toHaveBeenCalledWith({ channels: { email: true } });
  });
});
