// The state machine alone: its rules by tables, and what holds after any events.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { backoffMs } from "../src/backoff.ts";
import { type Effect, type Event, IDLE, type Machine, type Phase, step, type Timer } from "../src/connection.ts";
import { HeliographError } from "../src/errors.ts";

const error = new HeliographError("token", "no");
const closed = (code: number): Event => ({ is: "closed", code, reason: "" });
const at = (phase: Phase, more: Partial<Machine> = {}): Machine => ({ ...IDLE, phase, ...more });
const did = (effects: readonly Effect[]) => effects.filter(({ do: it }) => it !== "leave");

describe("where an event leads", () => {
  test.each<[Machine, Event, Phase]>([
    [at("idle"), { is: "start" }, "authorizing"],
    [at("closed"), { is: "start" }, "authorizing"],
    [at("unauthorized"), { is: "start" }, "authorizing"],
    [at("connected"), { is: "start" }, "connected"],
    [at("authorizing"), { is: "token" }, "opening"],
    [at("authorizing"), { is: "tokenFailed", error }, "waiting"],
    [at("opening"), { is: "connected", heartbeatMs: 1 }, "connected"],
    [at("opening"), closed(1006), "waiting"],
    [at("opening"), { is: "timer", timer: "silence" }, "waiting"],
    [at("connected"), closed(1012), "waiting"],
    [at("connected"), closed(4408), "waiting"],
    [at("connected"), closed(4429), "waiting"],
    [at("connected"), closed(4400), "waiting"],
    [at("connected"), closed(1009), "waiting"],
    [at("connected"), closed(4401), "authorizing"],
    [at("opening", { refusals: 1 }), closed(4401), "unauthorized"],
    [at("connected"), closed(4403), "unauthorized"],
    [at("connected", { departing: true }), closed(1012), "authorizing"],
    [at("connected", { departing: true }), { is: "timer", timer: "again" }, "authorizing"],
    [at("connected"), { is: "timer", timer: "silence" }, "waiting"],
    [at("connected"), { is: "jumped" }, "authorizing"],
    [at("connected"), { is: "renewed" }, "authorizing"],
    [at("waiting"), { is: "timer", timer: "again" }, "authorizing"],
    [at("waiting"), { is: "signal", signal: "online" }, "authorizing"],
    [at("waiting"), { is: "signal", signal: "focus" }, "authorizing"],
    [at("waiting"), { is: "signal", signal: "offline" }, "waiting"],
    [at("connected"), { is: "signal", signal: "offline" }, "connected"],
    [at("connected"), { is: "signal", signal: "suspend" }, "suspended"],
    [at("suspended"), { is: "signal", signal: "focus" }, "authorizing"],
    [at("unauthorized"), { is: "signal", signal: "focus" }, "unauthorized"],
    [at("unauthorized"), { is: "signal", signal: "online" }, "unauthorized"],
    [at("closed"), { is: "signal", signal: "focus" }, "closed"],
    [at("connected"), { is: "refused", error }, "unauthorized"],
    [at("connected"), { is: "stop" }, "closed"],
    [at("closed"), closed(1006), "closed"],
  ])("%o %o → %s", (before, event, after) => {
    expect(step(before, event, 0.5)[0].phase).toBe(after);
  });
});

describe("what is done", () => {
  test.each<[string, Machine, Event, Effect]>([
    ["a refused token is replaced, not used again", at("connected"), closed(4401), { do: "authorize", fresh: true }],
    ["other ends keep the token", at("waiting"), { is: "timer", timer: "again" }, { do: "authorize", fresh: false }],
    ["a frame proves life", at("connected"), { is: "heard" }, { do: "set", timer: "silence", ms: 55_000 }],
    ["focus asks whether the socket lives", at("connected"), { is: "signal", signal: "focus" }, { do: "ping" }],
    [
      "and gives it five seconds",
      at("connected"),
      { is: "signal", signal: "focus" },
      { do: "set", timer: "silence", ms: 5_000 },
    ],
    [
      "the server's hint is kept to",
      at("connected"),
      { is: "depart", afterMs: 8_000 },
      { do: "set", timer: "again", ms: 8_000 },
    ],
    [
      "our own fault is told",
      at("connected"),
      closed(4400),
      { do: "warn", message: "The connection was closed: 4400" },
    ],
  ])("%s", (_, before, event, effect) => {
    expect(step(before, event, 0.5)[1]).toContainEqual(effect);
  });

  test("after a departure nothing is waited for: the server has spread its clients", () => {
    expect(did(step(at("connected", { departing: true }), closed(1012), 0.9)[1])).toEqual([
      { do: "authorize", fresh: false },
    ]);
  });

  test("a connection that stood resets backoff and refusals", () => {
    const [after] = step(at("connected", { failures: 7, refusals: 1 }), { is: "timer", timer: "stable" }, 0);
    expect([after.failures, after.refusals]).toEqual([0, 0]);
  });
});

const events: fc.Arbitrary<Event> = fc.oneof(
  fc.constantFrom<Event>(
    { is: "start" },
    { is: "stop" },
    { is: "opened" },
    { is: "heard" },
    { is: "renewed" },
    { is: "jumped" },
    { is: "token" },
    { is: "tokenFailed", error },
    { is: "refused", error },
  ),
  fc.record({ is: fc.constant("connected" as const), heartbeatMs: fc.integer({ min: 1, max: 60_000 }) }),
  fc.record({ is: fc.constant("depart" as const), afterMs: fc.nat(60_000) }),
  fc.constantFrom(1000, 1006, 1009, 1011, 1012, 4400, 4401, 4403, 4408, 4429).map(closed),
  fc.constantFrom<Timer>("silence", "again", "stable").map((timer): Event => ({ is: "timer", timer })),
  fc.constantFrom("online", "offline", "focus", "suspend").map((signal): Event => ({ is: "signal", signal })),
);

/** The timers and the socket that a driver would have. */
function drive(given: readonly Event[]) {
  let machine = IDLE;
  let socket = false;
  let authorizing = false;
  const timers = new Set<Timer>();
  let tokens = 0;
  for (const event of given) {
    if (event.is === "timer" && !timers.delete(event.timer)) continue;
    if ((event.is === "token" || event.is === "tokenFailed") && !authorizing) continue;
    const [next, effects] = step(machine, event, 0.5);
    machine = next;
    for (const effect of effects) {
      if (effect.do === "open") socket = true;
      if (effect.do === "leave") {
        socket = authorizing = false;
        timers.clear();
      }
      if (effect.do === "authorize") authorizing = true;
      if (effect.do === "authorize" && effect.fresh) tokens++;
      if (effect.do === "set") timers.add(effect.timer);
    }
    if (machine.phase === "opening") authorizing = false;
  }
  return { machine, socket, authorizing, timers, tokens };
}

test("in every state something goes on, or nothing at all", () => {
  fc.assert(
    fc.property(fc.array(events, { maxLength: 60 }), (given) => {
      const { machine, socket, authorizing, timers } = drive(given);
      switch (machine.phase) {
        case "authorizing":
          return authorizing && !socket;
        case "opening":
          return socket && timers.has("silence");
        case "connected":
          return socket && timers.has("silence");
        case "waiting":
          return !socket && timers.has("again");
        default:
          return !socket && !authorizing && timers.size === 0;
      }
    }),
    { numRuns: 2_000 },
  );
});

test("refusals without a good connection in between ask for one fresh token at most", () => {
  const stormy = events.filter((event) => event.is !== "start" && !(event.is === "timer" && event.timer === "stable"));
  fc.assert(
    fc.property(fc.array(stormy, { maxLength: 80 }), (given) => drive([{ is: "start" }, ...given]).tokens <= 1),
    { numRuns: 1_000 },
  );
});

test("backoff is full jitter up to a ceiling that doubles from half a second to twenty", () => {
  const ceilings = [1, 2, 3, 4, 5, 6, 7, 8, 100].map((failures) => backoffMs(failures, 1));
  expect(ceilings).toEqual([500, 1_000, 2_000, 4_000, 8_000, 16_000, 20_000, 20_000, 20_000]);
  expect(backoffMs(5, 0)).toBe(0);
  expect(backoffMs(5, 0.25)).toBe(2_000);
});
