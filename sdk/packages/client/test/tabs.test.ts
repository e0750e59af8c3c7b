// Tabs of one browser: one connection, all agree, and nothing is lost when the leading one goes.

import { describe, expect, test } from "vitest";
import type { Tabs } from "../src/ports.ts";
import { connected, titles, type World } from "./fakes/client.ts";
import { FakeClock, settle } from "./fakes/clock.ts";
import { FakeBrowser, FakeEnvironment } from "./fakes/environment.ts";
import { FakeServer, tokenOf } from "./fakes/server.ts";

async function open(count: number, server = new FakeServer(), browser: Tabs = new FakeBrowser()) {
  const clock = new FakeClock();
  const tab = async (user = "ann") => {
    const environment = new FakeEnvironment(clock, browser);
    const made = await connected({ environment, getToken: () => tokenOf(user) }, server);
    made.client.inbox().subscribe(() => undefined);
    await settle();
    return made;
  };
  const tabs: World[] = [];
  while (tabs.length < count) tabs.push(await tab());
  return { tabs, server, clock, tab };
}

const shown = ({ client }: World) => titles(client.inbox().getSnapshot().notifications);
const leads = ({ client }: World) => client.connection.getSnapshot().leader;
const statuses = (tabs: readonly World[]) => tabs.map(({ client }) => client.connection.getSnapshot().status);

describe("three tabs", () => {
  test("one connection, one leader, all show and tell the same", async () => {
    const { tabs, server } = await open(3);
    server.send("one");
    await settle();
    expect(server.connections).toHaveLength(1);
    expect(tabs.map(leads)).toEqual([true, false, false]);
    expect(statuses(tabs)).toEqual(["connected", "connected", "connected"]);
    expect(tabs.map(shown)).toEqual([["one"], ["one"], ["one"]]);
    expect(tabs.map(({ told }) => told)).toEqual([["one"], ["one"], ["one"]]);
  });

  test("a mark on one is on all", async () => {
    const { tabs, server } = await open(3);
    const { id } = server.send("one");
    await settle();
    await tabs[2]?.client.read(id);
    await settle();
    expect(tabs.map(({ client }) => client.unread.getSnapshot())).toEqual([0, 0, 0]);
  });

  test("the leader goes: the next resumes where all stood", async () => {
    const { tabs, server, clock } = await open(3);
    server.send("before");
    await settle();
    await tabs[0]?.client.stop();
    server.send("meanwhile");
    await clock.advance(1_000);
    server.send("after");
    await settle();
    const rest = tabs.slice(1);
    expect(server.open).toHaveLength(1);
    expect(server.connection.received[0]).toMatchObject({ since: { offset: 1 } });
    expect(rest.map(leads)).toEqual([true, false]);
    expect(rest.map(shown)).toEqual(Array(2).fill(["after", "meanwhile", "before"]));
    expect(rest.map(({ told }) => told)).toEqual(Array(2).fill(["before", "meanwhile", "after"]));
  });

  test("a tab that comes later has everything", async () => {
    const { server, tab } = await open(1);
    server.send("before");
    const late = await tab();
    server.send("after");
    await settle();
    expect([shown(late), late.told, late.client.unread.getSnapshot()]).toEqual([["after", "before"], ["after"], 2]);
  });

  test("a message between tabs got lost: the list is loaded", async () => {
    const browser = new FakeBrowser();
    let deaf = false;
    const half: Tabs = {
      lock: (...args) => browser.lock(...args),
      channel: (name, receive) => browser.channel(name, (message) => deaf || receive(message)),
    };
    const server = new FakeServer();
    const { tabs } = await open(2, server, half);
    deaf = true;
    server.send("not heard");
    await settle();
    deaf = false;
    server.send("heard");
    await settle();
    expect(tabs.map(shown)).toEqual(Array(2).fill(["heard", "not heard"]));
  });

  test("another epoch reaches all", async () => {
    const { tabs, server, clock } = await open(2);
    server.send("old");
    await settle();
    server.loseStream();
    server.store("stored meanwhile");
    await clock.advance(500);
    server.send("new");
    await settle();
    expect(tabs.map(shown)).toEqual(Array(2).fill(["new", "stored meanwhile", "old"]));
  });

  test("the state of the connection is the same on all; a follower's focus makes the leader try", async () => {
    const { tabs, server } = await open(2);
    server.down = true;
    for (const { environment } of tabs) environment.dice = 0.999;
    server.connection.end(1006);
    await settle();
    expect(statuses(tabs)).toEqual(["waiting", "waiting"]);
    expect(tabs[1]?.client.connection.getSnapshot().error?.code).toBe("connection_lost");
    server.down = false;
    tabs[1]?.environment.signal("focus");
    await settle();
    expect(statuses(tabs)).toEqual(["connected", "connected"]);
  });

  test("a count in doubt is asked for once, by the leader", async () => {
    const { tabs, server, clock } = await open(3);
    const { id } = server.send("first");
    const late = server.store("late");
    server.mark(id, "read"); // its frame counts the late one already
    server.requests.length = 0;
    server.arrive(late);
    await clock.advance(3_000);
    expect(server.requests).toEqual(["GET /v1/inbox/unread"]);
    expect(tabs.map(({ client }) => client.unread.getSnapshot())).toEqual([1, 1, 1]);
  });

  test("the leader's token is refused: every tab tries its own once, then all is quiet", async () => {
    const { tabs, server, clock } = await open(3);
    server.accepted = new Set();
    server.connection.end(4401);
    await clock.advance(600_000);
    expect(statuses(tabs)).toEqual(Array(3).fill("unauthorized"));
    expect(server.connections.length).toBeLessThanOrEqual(1 + 2 * 3);
  });

  test("two people in one browser have two connections", async () => {
    const { server, tab } = await open(1);
    const bob = await tab("bob");
    expect(server.open).toHaveLength(2);
    expect(leads(bob)).toBe(true);
  });
});

describe("where tabs can't talk", () => {
  test.each<[string, Tabs]>([
    [
      "locks fail",
      {
        lock: () => Promise.reject(new Error("SecurityError")),
        channel: () => ({ post: () => undefined, close: () => undefined }),
      },
    ],
    [
      "channels fail",
      {
        lock: () => Promise.resolve(),
        channel: () => {
          throw new Error("SecurityError");
        },
      },
    ],
  ])("%s: every tab connects by itself, with a warning", async (_, browser) => {
    const { tabs, server } = await open(2, new FakeServer(), browser);
    await settle();
    expect(server.open).toHaveLength(2);
    expect(tabs.map(leads)).toEqual([true, true]);
    expect(tabs[0]?.warnings).toHaveLength(1);
  });

  test("crossTab false: every tab by itself", async () => {
    const browser = new FakeBrowser();
    const server = new FakeServer();
    for (let tab = 0; tab < 2; tab++) {
      await connected({ environment: new FakeEnvironment(new FakeClock(), browser), crossTab: false }, server);
    }
    expect(server.open).toHaveLength(2);
  });
});
