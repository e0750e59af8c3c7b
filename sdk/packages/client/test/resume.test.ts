// What a frame's offset means, by tables.

import { describe, expect, test } from "vitest";
import { Stream, type Verdict } from "../src/resume.ts";
import type { Connected } from "../src/wire.ts";

const connected = (epoch: string, offset: number, recovered: boolean): Connected => ({
  t: "connected",
  position: { epoch, offset },
  recovered,
  unread: 0,
  heartbeatS: 25,
});

describe("a frame", () => {
  test.each<[number, Verdict, number]>([
    [43, "next", 43],
    [42, "duplicate", 42],
    [1, "duplicate", 42],
    [44, "jump", 42],
    [1_000, "jump", 42],
  ])("at 42, offset %i is %s", (offset, verdict, after) => {
    const stream = new Stream({ epoch: "e", offset: 42 });
    expect(stream.arrived(offset)).toBe(verdict);
    expect(stream.position).toEqual({ epoch: "e", offset: after });
  });

  test("before any position is none of ours", () => {
    expect(new Stream().arrived(1)).toBe("duplicate");
  });
});

describe("connected", () => {
  test.each<[string, Connected, boolean, { epoch: string; offset: number }]>([
    ["whole: everything up to it is here", connected("e", 42, true), true, { epoch: "e", offset: 42 }],
    ["whole: a later frame was here first", connected("e", 40, true), true, { epoch: "e", offset: 42 }],
    ["part of the gap didn't reach this tab", connected("e", 45, true), false, { epoch: "e", offset: 45 }],
    ["nothing could be resumed", connected("e", 50, false), false, { epoch: "e", offset: 50 }],
    ["another epoch", connected("f", 3, false), false, { epoch: "f", offset: 3 }],
    ["another epoch, whatever is said", connected("f", 42, true), false, { epoch: "f", offset: 42 }],
    [
      "the server's cache is away: the old place may still be good",
      connected("", 0, false),
      false,
      { epoch: "e", offset: 42 },
    ],
  ])("%s", (_, frame, whole, after) => {
    const stream = new Stream({ epoch: "e", offset: 42 });
    expect(stream.connected(frame)).toBe(whole);
    expect(stream.position).toEqual(after);
  });
});

test("a second jump in a row is not worth another connection", () => {
  const stream = new Stream({ epoch: "e", offset: 1 });
  expect([stream.retryAfterJump(), stream.retryAfterJump(), stream.retryAfterJump()]).toEqual([true, false, true]);
  stream.arrived(2);
  expect(stream.retryAfterJump()).toBe(true);
});
