// Lists, marks, preferences and devices against the model server.

import { describe, expect, test, vi } from "vitest";
import { HeliographError } from "../src/errors.ts";
import { connected, titles } from "./fakes/client.ts";
import { settle } from "./fakes/clock.ts";
import { FakeServer } from "./fakes/server.ts";

async function withItems(count: number) {
  const server = new FakeServer();
  for (let number = 0; number < count; number++) server.send(`${number}`);
  const made = await connected({}, server);
  const inbox = made.client.inbox();
  await settle();
  return { ...made, inbox, shown: () => titles(inbox.getSnapshot().notifications) };
}

const fails = (status: number, code: string) => () => ({ status, body: { code, detail: code, errors: [] } });

describe("lists", () => {
  test("pages until there is no more", async () => {
    const { inbox, shown } = await withItems(45);
    expect([shown().length, inbox.getSnapshot().hasMore]).toEqual([20, true]);
    await Promise.all([inbox.fetchMore(), inbox.fetchMore()]);
    expect(shown()).toHaveLength(40);
    await inbox.fetchMore();
    await inbox.fetchMore();
    expect(shown()).toEqual(Array.from({ length: 45 }, (_, number) => `${44 - number}`));
    expect(inbox.getSnapshot().hasMore).toBe(false);
  });

  test("equal filters share one list; snapshots stay the same object until something changes", async () => {
    const { client, inbox, server } = await withItems(3);
    expect(client.inbox({ archived: false })).toBe(inbox);
    expect(client.inbox({ unread: true })).not.toBe(inbox);
    const before = inbox.getSnapshot();
    expect(inbox.getSnapshot()).toBe(before);
    const first = before.notifications[0];
    server.send("new");
    expect(inbox.getSnapshot()).not.toBe(before);
    expect(inbox.getSnapshot().notifications[1]).toBe(first);
  });

  test("filters hold for what arrives and for what is marked", async () => {
    const { client, server } = await withItems(2);
    const [unread, archived, orders] = [{ unread: true }, { archived: true }, { category: "order" }].map((filter) =>
      client.inbox(filter),
    );
    await settle();
    const order = server.send("order", { category: "order" });
    const shown = () => [unread, archived, orders].map((inbox) => titles(inbox?.getSnapshot().notifications ?? []));
    expect(shown()).toEqual([["order", "1", "0"], [], ["order"]]);
    server.mark(order.id, "read");
    expect(shown()).toEqual([["1", "0"], [], ["order"]]);
    server.mark(order.id, "archive");
    expect(shown()).toEqual([["1", "0"], ["order"], []]);
    server.mark(order.id, "unarchive");
    expect(shown()).toEqual([["1", "0"], [], ["order"]]);
  });

  test("what arrives below the loaded part waits for its page", async () => {
    const server = new FakeServer();
    const old = server.store("late in the stream");
    for (let number = 0; number < 30; number++) server.send(`${number}`);
    const { client } = await connected({}, server);
    const inbox = client.inbox();
    await settle();
    server.arrive(old);
    expect(titles(inbox.getSnapshot().notifications)).not.toContain("late in the stream");
    await inbox.fetchMore();
    expect(titles(inbox.getSnapshot().notifications).at(-1)).toBe("late in the stream");
    expect(inbox.getSnapshot().notifications).toHaveLength(31);
  });

  test("what arrives while a page is under way is on it once", async () => {
    const { client, server, inbox, shown } = await withItems(2);
    let release = (): void => undefined;
    const answer = new Promise<void>((resolve) => {
      release = resolve;
    });
    server.travel = () => answer;
    const loading = inbox.refetch();
    await settle();
    const late = server.send("late");
    server.mark(late.id, "read");
    release();
    await loading;
    expect(shown()).toEqual(["late", "1", "0"]);
    expect(inbox.getSnapshot().notifications[0]?.readAt).not.toBeNull();
    expect(client.unread.getSnapshot()).toBe(2);
  });

  test("an error stands in the snapshot, what was shown stays, the next success clears it", async () => {
    const { server, inbox, shown } = await withItems(2);
    server.faults.set("GET /v1/inbox", fails(422, "invalid"));
    await inbox.refetch();
    expect(inbox.getSnapshot()).toMatchObject({ error: { code: "invalid", status: 422 }, isFetching: false });
    expect(shown()).toEqual(["1", "0"]);
    server.faults.clear();
    await inbox.refetch();
    expect(inbox.getSnapshot().error).toBeNull();
  });

  test("a long list is loaded anew as a whole, with what came above it", async () => {
    const { server, inbox, environment, shown } = await withItems(150);
    inbox.subscribe(() => undefined);
    while (inbox.getSnapshot().hasMore) await inbox.fetchMore();
    for (let number = 150; number < 300; number++) server.store(`${number}`);
    server.loseStream();
    await environment.clock.advance(500);
    expect(shown()).toEqual(Array.from({ length: 300 }, (_, number) => `${299 - number}`));
  });

  test("an answer nobody understands is an error, not a crash", async () => {
    const { server, inbox, shown } = await withItems(1);
    server.faults.set("GET /v1/inbox", () => ({ status: 200, body: "<html>" }));
    await inbox.refetch();
    expect(inbox.getSnapshot().error?.code).toBe("protocol");
    server.faults.set("GET /v1/inbox", () => ({
      status: 200,
      body: { items: [null, { id: 7 }, "x"], next_cursor: 3, unread: "many" },
    }));
    await inbox.refetch();
    expect([shown(), inbox.getSnapshot().error]).toEqual([[], null]);
  });
});

describe("marks", () => {
  test.each([
    ["seen", "seen", (item: { seenAt: unknown }) => item.seenAt !== null, 2],
    ["read", "read", (item: { readAt: unknown; seenAt: unknown }) => item.readAt !== null && item.seenAt !== null, 1],
    ["archive", "archive", () => true, 1],
  ] as const)("%s shows at once, and then is the server's", async (method, mark, holds, unread) => {
    const { client, server, inbox } = await withItems(2);
    const id = inbox.getSnapshot().notifications[0]?.id ?? "";
    const done = client[method](id);
    const find = () => inbox.getSnapshot().notifications.find((item) => item.id === id);
    const here = find();
    expect(mark === "archive" ? here === undefined : here !== undefined && holds(here)).toBe(true);
    expect(client.unread.getSnapshot()).toBe(unread);
    await done;
    expect(server.requests.at(-1)).toBe(`POST /v1/inbox/${id}/${mark}`);
    expect(client.unread.getSnapshot()).toBe(server.unread);
    const item = server.items.get(id);
    expect(find()?.readAt ?? null).toBe(mark === "archive" ? null : (item?.read_at ?? null));
  });

  test.each(["seen", "read", "archive", "markUnread", "unarchive"] as const)(
    "%s refused is taken back, and rejects",
    async (method) => {
      const { client, server, inbox } = await withItems(2);
      const archived = client.inbox({ archived: true });
      const [one, other] = inbox.getSnapshot().notifications.map(({ id }) => id);
      if (method === "markUnread") await client.read(one ?? "");
      if (method === "unarchive") await client.archive(one ?? "");
      const lists = () =>
        [inbox, archived].map((list) => list.getSnapshot().notifications.filter(({ id }) => id === one));
      const before = lists();
      server.faults.set(
        `POST /v1/inbox/${one}/${method === "markUnread" ? "unread" : method}`,
        fails(404, "not_found"),
      );
      const done = client[method]([one ?? "", other ?? ""]);
      expect(lists()).not.toEqual(before);
      await expect(done).rejects.toBeInstanceOf(HeliographError);
      expect(lists()).toEqual(before);
      expect(client.unread.getSnapshot()).toBe(server.unread);
    },
  );

  test("a mark that holds already costs nothing", async () => {
    const { client, server, inbox } = await withItems(1);
    const id = inbox.getSnapshot().notifications[0]?.id ?? "";
    await client.read(id);
    const calls = server.requests.length;
    await Promise.all([client.read(id), client.seen(id), client.unarchive(id)]);
    expect(server.requests.length).toBe(calls);
  });

  test("marks of one item reach the server in their order", async () => {
    const { client, server, inbox } = await withItems(1);
    const id = inbox.getSnapshot().notifications[0]?.id ?? "";
    await Promise.all([
      client.read(id),
      client.markUnread(id),
      client.read(id),
      client.readAll(),
      client.markUnread(id),
    ]);
    expect(server.requests.filter((line) => line.startsWith("POST")).map((line) => line.split("/").at(-1))).toEqual([
      "read",
      "unread",
      "read",
      "read-all",
      "unread",
    ]);
    expect(client.unread.getSnapshot()).toBe(1);
  });

  test("read-all takes along what isn't loaded, and leaves what comes after", async () => {
    const { client, server, inbox } = await withItems(50);
    const done = client.readAll();
    expect(client.unread.getSnapshot()).toBe(0);
    await done;
    server.send("after");
    expect(client.unread.getSnapshot()).toBe(1);
    expect(
      inbox
        .getSnapshot()
        .notifications.filter(({ readAt }) => readAt === null)
        .map(({ title }) => title),
    ).toEqual(["after"]);
  });

  test("read-all refused is taken back", async () => {
    const { client, server, inbox } = await withItems(50);
    server.faults.set("POST /v1/inbox/read-all", fails(422, "invalid"));
    await expect(client.readAll()).rejects.toMatchObject({ code: "invalid" });
    expect(client.unread.getSnapshot()).toBe(50);
    expect(inbox.getSnapshot().notifications.every(({ readAt }) => readAt === null)).toBe(true);
  });

  test.each([
    ["another device's later mark wins", ["unread"], null],
    ["another device's earlier mark doesn't", [], "read"],
  ] as const)("while the answer is under way: %s", async (_, later, wanted) => {
    const { client, server, inbox } = await withItems(1);
    const id = inbox.getSnapshot().notifications[0]?.id ?? "";
    let release = (): void => undefined;
    server.travel = () => new Promise<void>((resolve) => (release = resolve));
    server.mark(id, "seen");
    const done = client.read(id);
    await settle();
    for (const mark of later) server.mark(id, mark);
    release();
    await done;
    const shown = inbox.getSnapshot().notifications[0]?.readAt ?? null;
    expect(shown === null).toBe(wanted === null);
    expect(client.unread.getSnapshot()).toBe(server.unread);
  });

  test("without a connection a mark counts all the same", async () => {
    const { client, server, environment, inbox } = await withItems(2);
    server.connection.end(1006);
    server.connect = () => ({ send: () => undefined, close: () => undefined });
    await environment.clock.advance(500);
    await client.read(inbox.getSnapshot().notifications[0]?.id ?? "");
    expect(client.unread.getSnapshot()).toBe(1);
  });

  test("offline a mark waits for the network, shown at once", async () => {
    const { client, server, environment, inbox } = await withItems(1);
    environment.signal("offline");
    server.down = true;
    const done = client.read(inbox.getSnapshot().notifications[0]?.id ?? "");
    await environment.clock.advance(600_000);
    expect(client.unread.getSnapshot()).toBe(0);
    expect(server.unread).toBe(1);
    server.down = false;
    environment.signal("online");
    await done;
    expect(server.unread).toBe(0);
  });

  test("what may pass is tried again, four times at most, as late as the server asks", async () => {
    const { client, server, environment, inbox } = await withItems(1);
    const id = inbox.getSnapshot().notifications[0]?.id ?? "";
    const answers = [503, 503];
    server.faults.set(`POST /v1/inbox/${id}/read`, () => {
      const status = answers.shift();
      if (status === undefined) server.faults.clear();
      return { status: status ?? 503, header: (name) => (name === "Retry-After" ? "2" : null) };
    });
    const done = client.read(id);
    await environment.clock.advance(1_999);
    expect(answers).toHaveLength(1);
    await environment.clock.advance(20_000);
    await done;
    expect(server.unread).toBe(0);

    server.faults.set("*", fails(500, "internal"));
    const calls = server.requests.length;
    const refused = client.markUnread(id).catch((error: unknown) => error);
    await environment.clock.advance(60_000);
    expect(await refused).toMatchObject({ code: "internal" });
    expect(server.requests.length - calls).toBe(4);
  });
});

describe("preferences", () => {
  test("load, change what is named, and send the whole", async () => {
    const { client, server } = await connected();
    server.preferences = { channels: { email: true }, categories: { news: { push: false }, odd: {} } };
    expect(client.preferences.getSnapshot()).toEqual({ preferences: null, isLoading: false, error: null });
    await client.preferences.load();
    const done = client.preferences.update({ categories: { news: { email: false, in_app: undefined } } });
    expect(client.preferences.getSnapshot().preferences?.categories).toEqual({
      news: { push: false, email: false },
      odd: {},
    });
    await done;
    expect(server.preferences).toEqual({
      channels: { email: true },
      categories: { news: { push: false, email: false }, odd: {} },
    });
  });

  test("a change before loading begins with what the server has", async () => {
    const { client, server } = await connected();
    server.preferences = { channels: { email: false }, categories: {}, quiet_hours: "later" };
    await client.preferences.update({ channels: { push: false } });
    expect(server.preferences).toEqual({
      channels: { email: false, push: false },
      categories: {},
      quiet_hours: "later",
    });
  });

  test("refused: what was before, with the error; a later change still counts", async () => {
    const { client, server } = await connected();
    await client.preferences.load();
    server.faults.set("PUT /v1/preferences", () => {
      server.faults.clear();
      return {
        status: 422,
        body: { code: "invalid", errors: [{ path: "channels.email", message: "is not true or false" }] },
      };
    });
    const refused = client.preferences.update({ channels: { email: false } });
    const taken = client.preferences.update({ channels: { push: false } });
    await expect(refused).rejects.toMatchObject({
      errors: [{ path: "channels.email", message: "is not true or false" }],
    });
    await taken;
    expect(client.preferences.getSnapshot()).toMatchObject({ preferences: { channels: { push: false } }, error: null });
    expect(server.preferences["channels"]).toEqual({ push: false });
  });
});

describe("devices", () => {
  test("register, remove, and remove what is gone", async () => {
    const { client, server } = await connected();
    const subscription = { endpoint: "https://push.example/1", keys: { p256dh: "a", auth: "b" } };
    expect(await client.devices.register("webpush", subscription)).toEqual({ id: "dev_1" });
    expect(server.devices).toEqual([{ kind: "webpush", value: subscription }]);
    await client.devices.remove("dev_1");
    await client.devices.remove("dev_2");
  });

  test("a server without Web Push has no key", async () => {
    const { client, server } = await connected();
    expect(await client.webPush.publicKey()).toBeNull();
    server.faults.set("GET /v1/webpush/key", () => ({ status: 200, body: { public_key: "BKey" } }));
    expect(await client.webPush.publicKey()).toBe("BKey");
  });

  test("the device that this runs on can be named later", async () => {
    const { client, server } = await connected();
    client.setDevice("dev_9");
    await settle();
    expect(server.connection.received[0]).toMatchObject({ device: "dev_9", since: { offset: 0 } });
  });
});

test("listeners can go, and one that listens twice is told twice", async () => {
  const { client, server } = await connected();
  const listener = vi.fn();
  const stops = [client.on("notification", listener), client.on("notification", listener)];
  server.send("one");
  expect(listener).toHaveBeenCalledTimes(2);
  for (const stop of stops) stop();
  server.send("two");
  expect(listener).toHaveBeenCalledTimes(2);
});
