// Any order of frames, losses, doubles, reconnects and marks, against the model server: in the end the lists, the
// count and what was told are what the model says. No double, no hole.

import fc from "fast-check";
import { expect, test } from "vitest";
import type { Mark } from "../src/marks.ts";
import { connected, type World } from "./fakes/client.ts";
import { FakeClock, settle } from "./fakes/clock.ts";
import { FakeBrowser, FakeEnvironment } from "./fakes/environment.ts";
import { FakeServer, type Item } from "./fakes/server.ts";

type Command =
  | { readonly is: "send"; readonly lagging: boolean }
  | { readonly is: "catchUp" | "loseStream" | "reconnect" | "readAll" | "refetch" | "more" | "down" | "up" | "online" }
  | { readonly is: "drop" | "double" | "swap"; readonly at: number }
  | { readonly is: "deliver"; readonly frames: number }
  | { readonly is: "elsewhere" | "here"; readonly item: number; readonly mark: Mark; readonly tab: number }
  | { readonly is: "wait" | "latency"; readonly ms: number }
  | { readonly is: "leaderGoes" };

const at = fc.nat(5);
const marks = fc.constantFrom<Mark>("seen", "read", "unread", "archive", "unarchive");
const plain = [
  "catchUp",
  "loseStream",
  "reconnect",
  "readAll",
  "refetch",
  "more",
  "down",
  "up",
  "online",
  "leaderGoes",
] as const;
const commands: fc.Arbitrary<Command> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ is: fc.constant("send" as const), lagging: fc.boolean() }) },
  { weight: 4, arbitrary: fc.record({ is: fc.constant("deliver" as const), frames: fc.integer({ min: 1, max: 6 }) }) },
  { weight: 4, arbitrary: fc.constantFrom(...plain).map((is): Command => ({ is })) },
  { weight: 2, arbitrary: fc.record({ is: fc.constantFrom("drop" as const, "double" as const, "swap" as const), at }) },
  {
    weight: 4,
    arbitrary: fc.record({
      is: fc.constantFrom("elsewhere" as const, "here" as const),
      item: fc.nat(30),
      mark: marks,
      tab: fc.nat(2),
    }),
  },
  { weight: 2, arbitrary: fc.constantFrom<Command>({ is: "refetch" }, { is: "more" }) },
  {
    weight: 2,
    arbitrary: fc.record({
      is: fc.constantFrom("wait" as const, "latency" as const),
      ms: fc.integer({ min: 1, max: 3_000 }),
    }),
  },
);

const FILTERS = [{}, { unread: true }, { archived: true }, { limit: 3 }];

class Play {
  readonly server = new FakeServer();
  readonly clock = new FakeClock();
  readonly browser = new FakeBrowser();
  tabs: World[] = [];
  readonly late: Item[] = [];
  readonly sent: string[] = [];

  async begin(tabs: number): Promise<void> {
    for (let number = 0; number < 4; number++) this.server.send(`before ${number}`);
    while (this.tabs.length < tabs) await this.open();
    this.server.immediate = false;
  }

  async open(): Promise<void> {
    const environment = new FakeEnvironment(this.clock, this.browser);
    const made = await connected({ environment }, this.server);
    for (const filter of FILTERS) made.client.inbox(filter).subscribe(() => undefined);
    await settle();
    this.tabs.push(made);
  }

  async run(command: Command): Promise<void> {
    const { server } = this;
    const connection = server.open.find(({ live }) => live);
    const outbox = connection?.outbox ?? [];
    switch (command.is) {
      case "send": {
        const item = server.store(`sent ${this.sent.length}`);
        this.sent.push(item.title);
        if (command.lagging) this.late.push(item);
        else server.arrive(item);
        break;
      }
      case "catchUp":
        for (const item of this.late.splice(0)) server.arrive(item);
        break;
      case "deliver":
        for (const frame of outbox.splice(0, command.frames)) connection?.deliver(frame);
        break;
      case "drop":
        // A lost frame of marks leaves no trace in the offsets; over TCP it is lost with the connection only.
        if (outbox.splice(command.at, 1)[0]?.["t"] === "inbox") connection?.end(1006);
        break;
      case "double":
        outbox.push(...outbox.slice(command.at, command.at + 1).filter(({ t }) => t === "notification"));
        break;
      case "swap": {
        const pair = outbox.slice(command.at, command.at + 2);
        if (pair.some(({ t }) => t === "notification")) outbox.splice(command.at, 2, ...pair.reverse());
        break;
      }
      case "loseStream":
        server.loseStream();
        break;
      case "reconnect":
        for (const one of server.open) one.end(1006);
        break;
      case "down":
        server.down = true;
        break;
      case "up":
        server.down = false;
        break;
      case "readAll":
        void this.tabs[0]?.client.readAll().catch(() => undefined);
        break;
      case "refetch":
        for (const { client } of this.tabs) void client.inbox().refetch();
        break;
      case "more":
        for (const { client } of this.tabs) void client.inbox({ limit: 3 }).fetchMore();
        break;
      case "elsewhere":
      case "here":
        this.mark(command);
        break;
      case "online":
        for (const { environment } of this.tabs) environment.signal("online");
        break;
      case "leaderGoes":
        await this.leaderGoes();
        break;
      case "latency":
        this.latency(command.ms);
        break;
      case "wait":
        await this.clock.advance(command.ms);
        break;
    }
    await settle();
  }

  latency(ms: number): void {
    this.server.travel = () => new Promise((resolve) => void this.clock.after(ms, resolve));
  }

  mark({ is, item, mark, tab }: Extract<Command, { item: number }>): void {
    const id = [...this.server.items.keys()][item % this.server.items.size] ?? "";
    if (is === "elsewhere") return void this.server.mark(id, mark);
    const client = this.tabs[tab % this.tabs.length]?.client;
    const method = mark === "unread" ? "markUnread" : mark;
    void client?.[method](id).catch(() => undefined);
  }

  async leaderGoes(): Promise<void> {
    if (this.tabs.length === 1) return;
    const leader = this.tabs.find(({ client }) => client.connection.getSnapshot().leader);
    await leader?.client.stop();
    this.tabs = this.tabs.filter((tab) => tab !== leader);
  }

  /** All faults end; what is under way arrives. No connection ends any more, which would put much right by itself. */
  async calm(): Promise<void> {
    this.server.down = false;
    this.server.immediate = true;
    for (const item of this.late.splice(0)) this.server.arrive(item);
    for (const one of this.server.open) one.flush();
    await settle();
    // A lost frame shows by what comes after it.
    this.sent.push("the end");
    this.server.send("the end");
    // A page that failed stays so until the person tries again.
    for (const { client } of this.tabs) void client.inbox({ limit: 3 }).fetchMore();
    for (let heartbeats = 0; heartbeats < 4; heartbeats++) {
      for (const one of this.server.open) one.deliver({ t: "ping" });
      await this.clock.advance(20_000);
    }
  }
}

const idsOf = (items: readonly { readonly id: string }[]) => items.map(({ id }) => id);

/** The list is what the server's is, as far as it is loaded. */
function agrees({ client }: World, server: FakeServer): void {
  for (const filter of FILTERS) {
    const { notifications, hasMore, error } = client.inbox(filter).getSnapshot();
    const listed = server.listed(filter);
    expect(error).toBeNull();
    expect(idsOf(notifications)).toEqual(idsOf(hasMore ? listed.slice(0, notifications.length) : listed));
    for (const { id, readAt, seenAt } of notifications) {
      const item = server.items.get(id);
      expect([id, readAt, seenAt]).toEqual([id, item?.read_at, item?.seen_at]);
    }
  }
  expect(client.unread.getSnapshot()).toBe(server.unread);
  expect(client.connection.getSnapshot().status).toBe("connected");
}

test.each([1, 3])(
  "whatever happens on the way, %i tab(s) end where the server is",
  async (tabs) => {
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(0, 300, 2_000), fc.array(commands, { maxLength: 40 }), async (ms, given) => {
        const play = new Play();
        await play.begin(tabs);
        play.latency(ms);
        for (const command of given) await play.run(command);
        await play.calm();
        for (const tab of play.tabs) {
          agrees(tab, play.server);
          expect(new Set(tab.told).size).toBe(tab.told.length);
        }
        expect(play.server.open).toHaveLength(1);
      }),
      { numRuns: Number(process.env["HELIOGRAPH_RUNS"] ?? 200) },
    );
  },
  60_000,
);

test("while the stream can be resumed, every notification is told once and in order", async () => {
  const harmless = commands.filter(({ is }) => is !== "loseStream" && is !== "swap" && is !== "leaderGoes");
  await fc.assert(
    fc.asyncProperty(fc.array(harmless, { maxLength: 40 }), async (given) => {
      const play = new Play();
      await play.begin(1);
      for (const command of given) await play.run(command.is === "send" ? { ...command, lagging: false } : command);
      await play.calm();
      expect(play.tabs[0]?.told).toEqual(play.sent);
    }),
    { numRuns: 100 },
  );
}, 60_000);
