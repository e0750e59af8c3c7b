import fc from "fast-check";
import { expect, it } from "vitest";
import { absoluteTime, de, en, relativeTime } from "../src/hooks.ts";

const NOW = Date.parse("2026-11-24T12:00:00Z");

it.each([
  ["2026-11-24T11:59:30Z", "now"],
  ["2026-11-24T11:55:00Z", "5 min. ago"],
  ["2026-11-24T09:00:00Z", "3 hr. ago"],
  ["2026-11-23T11:00:00Z", "yesterday"],
  ["2026-11-20T12:00:00Z", "4 days ago"],
  ["2026-11-10T12:00:00Z", "Nov 10"],
  ["2025-11-10T12:00:00Z", "Nov 10, 2025"],
  ["not a time", ""],
])("%s is %s", (at, said) => {
  expect(relativeTime(at, NOW, en)).toBe(said);
});

it("speaks other languages", () => {
  expect(relativeTime("2026-11-24T11:55:00Z", NOW, de)).toBe("vor 5 Min.");
  expect(absoluteTime("2026-11-24T11:55:00Z", "de")).toContain("24. November 2026");
});

it("a device whose clock is behind sees no time to come", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 40 * 86_400_000 }), (behind) => {
      expect(relativeTime(new Date(NOW).toISOString(), NOW - behind, en)).toBe("now");
    }),
  );
});

it("never throws, whatever the text, the clock and the locale", () => {
  const locales = fc.oneof(fc.constant("en"), fc.string());
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.date({ noInvalidDate: true }).map((d) => d.toISOString()),
      ),
      fc.double({ noNaN: true, min: -8e15, max: 8e15 }),
      locales,
      (at, now, locale) => {
        expect(typeof relativeTime(at, now, { locale, justNow: "now" })).toBe("string");
        expect(typeof absoluteTime(at, locale)).toBe("string");
      },
    ),
  );
});
