// The client against the model server: connecting, resuming, and bad input.

import { describe, expect, test, vi } from "vitest";
import type { KeyValueStorage } from "../src/ports.ts";
import { browserStorage } from "../src/seams/environment.ts";
import { connected, titles, world } from "./fakes/client.ts";
import { settle } from "./fakes/clock.ts";
import { FakeServer, tokenOf } from "./fakes/server.ts";

const shown = (client: { inbox(): { getSnapshot(): { notifications: readonly { title: string }[] } } }) =>
  titles(client.inbox().getSnapshot().notifications as never);

describe("connecting", () => {
  test("the first frame carries the token; the list is loaded once the connection stands", async () => {
    const server = new FakeServer();
    server.send("waits");
    const { client } = world({ device: "dev_7" }, server);
    client.inbox();
    expect(client.connection.getSnapshot().status).toBe("idle");
    client.start();
    await settle();
    expect(server.connection.received[0]).toEqual({ t: "connect", token: tokenOf("ann"), device: "dev_7" });
    expect(client.connection.getSnapshot()).toEqual({ status: "connected", retryAt: null, error: null, leader: true });
    expect(server.requests).toEqual(["GET /v1/inbox?limit=20&archived=false"]);
    expect(shown(client)).toEqual(["waits"]);
    expect(client.unread.getSnapshot()).toBe(1);
    expect(client.user).toBe("ann");
  });

  test("lists are loaded after a second though there is no connection", async () => {
    const server = new FakeServer();
    server.send("waits");
    server.connect = () => ({ send: () => undefined, close: () => undefined });
    const { client, environment } = world({}, server);
    client.inbox();
    client.start();
    await environment.clock.advance(999);
    expect(server.requests).toEqual([]);
    await environment.clock.advance(1);
    expect(shown(client)).toEqual(["waits"]);
    expect(client.connection.getSnapshot().status).toBe("connecting");
  });

  test("what arrives is shown, counted, told and acknowledged once for a burst", async () => {
    const { client, server, environment, told } = await connected();
    const inbox = client.inbox();
    await settle();
    for (const title of ["one", "two", "three"]) server.send(title);
    expect(titles(inbox.getSnapshot().notifications)).toEqual(["three", "two", "one"]);
    expect(client.unread.getSnapshot()).toBe(3);
    expect(told).toEqual(["one", "two", "three"]);
    await environment.clock.advance(50);
    expect(server.connection.received.slice(1)).toEqual([{ t: "ack", offset: 3 }]);
  });

  test("pings are answered; silence for two heartbeats and five seconds is the end", async () => {
    const { client, server, environment } = await connected();
    server.connection.deliver({ t: "ping" });
    expect(server.connection.received.at(-1)).toEqual({ t: "pong" });
    environment.dice = 0.999;
    await environment.clock.advance(54_999);
    expect(client.connection.getSnapshot().status).toBe("connected");
    await environment.clock.advance(1);
    expect(client.connection.getSnapshot().status).toBe("waiting");
    await environment.clock.advance(500);
    expect(client.connection.getSnapshot().status).toBe("connected");
  });

  test("the server's reconnect hint: served until then, back without backoff", async () => {
    const { client, server, environment } = await connected();
    const first = server.connection;
    first.deliver({ t: "reconnect", after_ms: 8_000 });
    server.send("meanwhile");
    expect(client.unread.getSnapshot()).toBe(1);
    await environment.clock.advance(7_000);
    expect(server.connections).toHaveLength(1);
    first.end(1012);
    await settle();
    expect(server.connections).toHaveLength(2);
    expect(client.connection.getSnapshot().status).toBe("connected");
  });

  test("failures back off, online and focus try at once", async () => {
    const { client, server, environment } = await connected();
    server.down = true;
    environment.dice = 0.999;
    server.connection.end(1006);
    await environment.clock.advance(3_000);
    const state = client.connection.getSnapshot();
    expect(state.status).toBe("waiting");
    expect(state.error?.code).toBe("connection_lost");
    expect(state.retryAt).not.toBeNull();
    server.down = false;
    environment.signal("focus");
    await settle();
    expect(client.connection.getSnapshot().status).toBe("connected");
  });

  test("without a network it says offline, and comes back with it", async () => {
    const { client, server, environment } = await connected();
    server.down = true;
    environment.signal("offline");
    server.connection.end(1006);
    await settle();
    expect(client.connection.getSnapshot().status).toBe("offline");
    server.down = false;
    environment.signal("online");
    await settle();
    expect(client.connection.getSnapshot().status).toBe("connected");
  });

  test("in the background it lets go, and resumes in front", async () => {
    const { client, server, environment } = await connected();
    environment.signal("suspend");
    expect(server.open).toHaveLength(0);
    await environment.clock.advance(600_000);
    expect(server.connections).toHaveLength(1);
    server.send("meanwhile");
    environment.signal("focus");
    await settle();
    expect(client.connection.getSnapshot().status).toBe("connected");
    expect(client.unread.getSnapshot()).toBe(1);
  });

  test("stop leaves nothing behind, start begins anew from the same place", async () => {
    const { client, server, environment } = await connected();
    const inbox = client.inbox();
    await settle();
    await client.stop();
    expect(client.connection.getSnapshot().status).toBe("closed");
    expect([server.open.length, environment.listening]).toEqual([0, 0]);
    server.send("meanwhile");
    await environment.clock.advance(600_000);
    expect(server.connections).toHaveLength(1);
    client.start();
    await settle();
    expect(server.connection.received[0]).toMatchObject({ since: { epoch: "epoch-1", offset: 0 } });
    expect(titles(inbox.getSnapshot().notifications)).toEqual(["meanwhile"]);
  });

  test("start, stop, start at once, as React's strict mode does, makes one connection", async () => {
    const { client, server } = world();
    client.start();
    void client.stop();
    client.start();
    await settle();
    expect(server.open).toHaveLength(1);
    expect(client.connection.getSnapshot().status).toBe("connected");
  });
});

describe("resuming", () => {
  test("the gap comes as frames: nothing is loaded anew, nothing is told twice", async () => {
    const { client, server, environment, told } = await connected();
    client.inbox().subscribe(() => undefined);
    await settle();
    server.send("before");
    const calls = server.requests.length;
    server.connection.end(1006);
    for (const title of ["in the gap", "also"]) server.send(title);
    await environment.clock.advance(500);
    expect(server.connection.received[0]).toMatchObject({ since: { epoch: "epoch-1", offset: 1 } });
    expect(shown(client)).toEqual(["also", "in the gap", "before"]);
    expect(told).toEqual(["before", "in the gap", "also"]);
    expect(client.unread.getSnapshot()).toBe(3);
    expect(server.requests.length).toBe(calls);
  });

  test("another epoch: the list is loaded anew, also what left it", async () => {
    const { client, server, environment } = await connected();
    client.inbox().subscribe(() => undefined);
    await settle();
    const [gone] = [server.send("gone"), server.send("stays")];
    server.connection.end(1006);
    server.items.delete(gone.id);
    server.loseStream();
    server.store("new");
    await environment.clock.advance(500);
    expect(shown(client)).toEqual(["new", "stays"]);
    expect(client.unread.getSnapshot()).toBe(2);
  });

  test("a jump in the offsets: back at once for what is missing", async () => {
    const { client, server, told } = await connected();
    server.immediate = false;
    for (const title of ["one", "two", "three"]) server.send(title);
    server.connection.outbox.splice(1, 1);
    server.immediate = true;
    server.connection.flush();
    await settle();
    expect(server.connections).toHaveLength(2);
    expect(told).toEqual(["one", "two", "three"]);
    expect(client.unread.getSnapshot()).toBe(3);
  });

  test("a server that jumps again and again is believed, and the list loaded", async () => {
    const { client, server, told } = await connected();
    client.inbox().subscribe(() => undefined);
    await settle();
    server.stream.length = 0;
    server.offset = 5;
    for (const title of ["one", "two"]) {
      server.send(title);
      await settle();
    }
    expect(server.connections.length).toBeLessThan(4);
    expect(shown(client)).toEqual(["two", "one"]);
    expect(told).toContain("two");
  });

  test("marks made elsewhere during a gap are found within half a minute", async () => {
    const { client, server, environment } = await connected();
    client.inbox().subscribe(() => undefined);
    await settle();
    const [one, two] = [server.send("one"), server.send("two")];
    client.read(one.id);
    await settle();
    server.connection.end(1006);
    server.mark(one.id, "unread");
    server.mark(two.id, "read"); // the count alone can't tell
    environment.dice = 0.9;
    await environment.clock.advance(30_000);
    const read = client
      .inbox()
      .getSnapshot()
      .notifications.map(({ readAt }) => readAt !== null);
    expect(read).toEqual([true, false]);
  });

  test("at once, when the count disagrees", async () => {
    const { client, server, environment } = await connected();
    client.inbox().subscribe(() => undefined);
    await settle();
    const { id } = server.send("one");
    server.connection.end(1006);
    server.mark(id, "read");
    await environment.clock.advance(500);
    expect(client.inbox().getSnapshot().notifications[0]?.readAt).not.toBeNull();
  });

  test("a count that already holds what arrives a moment later is put right", async () => {
    const server = new FakeServer();
    const late = server.store("late");
    const { client, environment } = await connected({}, server);
    expect(client.unread.getSnapshot()).toBe(1);
    server.arrive(late);
    await environment.clock.advance(2_000);
    expect(client.unread.getSnapshot()).toBe(1);
  });
});

describe("tokens", () => {
  test("a foreign token: asked for once more, then one state, one callback and silence", async () => {
    const server = new FakeServer();
    server.accepted = new Set();
    const refusals = vi.fn();
    const { client, environment, asked } = world({ onUnauthorized: refusals }, server);
    client.inbox();
    client.start();
    await environment.clock.advance(3_600_000);
    environment.signal("focus");
    environment.signal("online");
    await environment.clock.advance(3_600_000);
    expect(client.connection.getSnapshot()).toMatchObject({ status: "unauthorized", error: { code: "unauthorized" } });
    expect(refusals).toHaveBeenCalledTimes(1);
    expect([asked(), server.connections.length]).toEqual([2, 2]);
    await expect(client.read("ntf_1")).rejects.toMatchObject({ code: "unauthorized" });
    expect(server.requests.length).toBeLessThan(3);
  });

  test("an HTTP call with a refused token: the same", async () => {
    const { client, server, asked } = await connected();
    server.accepted = new Set();
    await expect(client.preferences.load()).rejects.toMatchObject({ code: "unauthorized", status: 401 });
    expect(client.connection.getSnapshot().status).toBe("unauthorized");
    expect([asked(), server.open.length]).toEqual([2, 0]);
  });

  test("an expired one is replaced without a word", async () => {
    const server = new FakeServer();
    let [number, refusals] = [0, 0];
    const { client } = await connected(
      { getToken: () => tokenOf("ann", { jti: number++ }), onUnauthorized: () => refusals++ },
      server,
    );
    server.accepted = new Set([tokenOf("ann", { jti: 1 })]);
    server.connection.end(4401);
    await settle();
    expect(client.connection.getSnapshot().status).toBe("connected");
    expect(server.connection.received[0]).toMatchObject({ token: tokenOf("ann", { jti: 1 }) });
    expect(refusals).toBe(0);
  });

  test("after a refusal, start and setToken go on", async () => {
    const server = new FakeServer();
    server.accepted = new Set();
    const { client } = await connected({}, server);
    expect(client.connection.getSnapshot().status).toBe("unauthorized");
    server.accepted = new Set([tokenOf("ann", { jti: "better" })]);
    client.start();
    await settle();
    expect(client.connection.getSnapshot().status).toBe("unauthorized");
    client.setToken(tokenOf("ann", { jti: "better" }));
    await settle();
    expect(client.connection.getSnapshot().status).toBe("connected");
  });

  test("renewed before its end, by duration; this device's clock may be a day off", async () => {
    vi.useFakeTimers({ toFake: ["Date"], now: Date.UTC(2030, 0, 2) });
    const server = new FakeServer();
    let number = 0;
    const from = Date.UTC(2030, 0, 1) / 1000; // for the clock of this device it ended long ago
    const { client, environment, asked } = await connected(
      { getToken: () => tokenOf("ann", { jti: number++, iat: from, exp: from + 3_600 }) },
      server,
    );
    vi.useRealTimers();
    expect([client.connection.getSnapshot().status, asked()]).toEqual(["connected", 1]);
    for (let minutes = 0; minutes < 58; minutes++) {
      server.connection.deliver({ t: "ping" });
      await environment.clock.advance(60_000);
    }
    expect(asked()).toBe(1);
    server.connection.deliver({ t: "ping" });
    await environment.clock.advance(60_000);
    expect(asked()).toBe(2);
    expect(server.connection.received[0]).toMatchObject({ since: { epoch: "epoch-1", offset: 0 } });
  });

  test("getToken that fails is asked again, with backoff", async () => {
    let failures = 3;
    const { client, environment, asked } = world({
      getToken: () => {
        if (failures-- > 0) throw new Error("the backend is down");
        return tokenOf("ann");
      },
    });
    client.start();
    await settle();
    expect(client.connection.getSnapshot()).toMatchObject({ status: "waiting", error: { code: "token" } });
    await environment.clock.advance(2_000);
    expect([client.connection.getSnapshot().status, asked()]).toEqual(["connected", 4]);
  });

  test.each(["", "no token at all", "a.b.c", "a.eyJzdWIiOjF9.c"])(
    "a token of no known form is the server's to judge: %o",
    async (token) => {
      const { client } = world({ getToken: () => token });
      client.start();
      await settle();
      expect(client.connection.getSnapshot().status).toBe(token === "" ? "waiting" : "connected");
      expect(client.user).toBeNull();
    },
  );

  test("a name of many scripts is read from the token", async () => {
    const { client } = await connected({ getToken: () => tokenOf("zoë-日本-🙂") });
    expect(client.user).toBe("zoë-日本-🙂");
  });
});

describe("bad input", () => {
  test.each([
    "",
    "nothing",
    "null",
    "[]",
    "{}",
    '{"t":1}',
    '{"t":"later"}',
    '{"t":"notification"}',
    '{"t":"notification","offset":-1,"notification":{"id":"x"}}',
    '{"t":"inbox"}',
    '{"t":"inbox","id":"*"}',
    '{"t":"connected"}',
    '{"t":"connected","epoch":1,"offset":0}',
  ])("a malformed frame is ignored with a warning, the connection kept: %s", async (frame) => {
    const { client, server, warnings } = await connected();
    server.connection.deliver(frame);
    expect(warnings).toHaveLength(1);
    expect(client.connection.getSnapshot().status).toBe("connected");
    server.send("the next one");
    expect(client.unread.getSnapshot()).toBe(1);
  });

  test("an unreadable notification doesn't stop those behind it", async () => {
    const { server, warnings, told } = await connected();
    server.connection.deliver({ t: "notification", offset: 1, notification: { title: "no id" } });
    server.offset = 1;
    server.send("the next one");
    expect([warnings.length, told, server.connections.length]).toEqual([1, ["the next one"], 1]);
  });

  test.each([
    ["https://shop.example/orders/1", "https://shop.example/orders/1"],
    ["javascript:alert(1)", null],
    [" javascript:alert(1)", null],
    ["java\nscript:alert(1)", null],
    ["data:text/html,<script>", null],
    ["//shop.example", null],
    [7, null],
  ])("only http and https links come through: %o", async (given, wanted) => {
    const { client, server } = await connected();
    const inbox = client.inbox();
    await settle();
    server.send("link", { action_url: given as string });
    expect(inbox.getSnapshot().notifications[0]?.actionUrl).toBe(wanted);
  });

  const broken: KeyValueStorage = {
    get: () => {
      throw new Error("blocked");
    },
    set: () => Promise.reject(new Error("full")),
    remove: () => Promise.reject(new Error("blocked")),
  };

  test("a storage that is full or blocked: one warning, everything works", async () => {
    const { client, server, environment, warnings } = await connected({ storage: broken });
    const inbox = client.inbox();
    server.send("shown");
    await environment.clock.advance(1_000);
    expect(titles(inbox.getSnapshot().notifications)).toEqual(["shown"]);
    expect(warnings).toHaveLength(1);
    await client.forget();
  });

  test("a browser without localStorage", async () => {
    const { client, warnings } = await connected({ storage: browserStorage() });
    expect([client.connection.getSnapshot().status, warnings.length]).toEqual(["connected", 1]);
  });

  test.each(["{", '{"format":2}', '{"format":1,"notifications":[{"id":1}],"unread":-1,"position":{"epoch":5}}'])(
    "somebody else's content in the storage: %s",
    async (kept) => {
      const storage = { get: () => kept, set: () => undefined, remove: () => undefined };
      const { client } = await connected({ storage });
      expect(shown(client)).toEqual([]);
      expect(client.connection.getSnapshot().status).toBe("connected");
    },
  );

  test.each(["", "notify.example", "ftp://notify.example", "https://notify.example/path", "https://"])(
    "baseUrl must be an origin: %o",
    (baseUrl) => {
      expect(() => world({ baseUrl })).toThrow(TypeError);
    },
  );
});

describe("the copy for the next start", () => {
  function memory(): KeyValueStorage & { readonly kept: Map<string, string> } {
    const kept = new Map<string, string>();
    return {
      kept,
      get: async (key) => kept.get(key) ?? null,
      set: async (key, value) => void kept.set(key, value),
      remove: async (key) => void kept.delete(key),
    };
  }

  test("is shown at once, and the stream resumed where it was left", async () => {
    const storage = memory();
    const server = new FakeServer();
    const before = await connected({ storage }, server);
    before.client.inbox();
    await settle();
    server.send("known");
    await before.client.stop();
    server.send("meanwhile");

    server.down = true;
    const { client, environment, told } = world({ storage }, server);
    const inbox = client.inbox();
    client.start();
    await settle();
    expect(inbox.getSnapshot()).toMatchObject({ unread: 1, isLoading: false });
    expect(titles(inbox.getSnapshot().notifications)).toEqual(["known"]);
    server.down = false;
    environment.signal("online");
    await settle();
    expect(titles(inbox.getSnapshot().notifications)).toEqual(["meanwhile", "known"]);
    expect(told).toEqual(["meanwhile"]);
  });

  test("belongs to its user, holds no token, and can be forgotten", async () => {
    const storage = memory();
    const { client, server } = await connected({ storage });
    server.send("ann's");
    await client.stop();
    expect([...storage.kept.values()].join()).not.toContain(tokenOf("ann"));
    const other = world({ storage, getToken: () => tokenOf("bob") });
    other.client.start();
    await settle();
    expect(shown(other.client)).toEqual([]);
    client.start();
    await settle();
    await client.forget();
    expect([...storage.kept.keys()].filter((key) => key.includes("ann"))).toEqual([]);
  });
});
