// How long ago, in words. Times come from the server's clock and are read against the device's, which may be off by a
// day: what seems to come from the future happened just now.

import type { Strings } from "./strings.ts";

const MINUTE_S = 60;
const HOUR_S = 60 * MINUTE_S;
const DAY_S = 24 * HOUR_S;
const WEEK_S = 7 * DAY_S;

/**
 * @param at RFC 3339 time of the server; an unreadable one gives "".
 * @param nowMs the device's `Date.now()`.
 */
export function relativeTime(at: string, nowMs: number, strings: Pick<Strings, "locale" | "justNow">): string {
  const then = Date.parse(at);
  if (Number.isNaN(then)) return "";
  const seconds = Math.max(0, (nowMs - then) / 1000);
  if (seconds < MINUTE_S) return strings.justNow;
  if (seconds >= WEEK_S) return dateOf(then, nowMs, strings.locale);
  const [amount, unit] = inUnits(seconds);
  return ago(amount, unit, strings.locale);
}

/** The whole moment, in the device's time zone: for a title or a screen reader. */
export function absoluteTime(at: string, locale: string): string {
  const then = Date.parse(at);
  if (Number.isNaN(then)) return "";
  return format(() => new Intl.DateTimeFormat(locale, { dateStyle: "long", timeStyle: "short" }).format(then), at);
}

function inUnits(seconds: number): [number, "minute" | "hour" | "day"] {
  if (seconds < HOUR_S) return [Math.floor(seconds / MINUTE_S), "minute"];
  if (seconds < DAY_S) return [Math.floor(seconds / HOUR_S), "hour"];
  return [Math.floor(seconds / DAY_S), "day"];
}

function ago(amount: number, unit: "minute" | "hour" | "day", locale: string): string {
  // Hermes had no RelativeTimeFormat for long, and an unknown locale throws.
  return format(
    () => new Intl.RelativeTimeFormat(locale, { numeric: "auto", style: "short" }).format(-amount, unit),
    `${amount} ${unit[0]}`,
  );
}

function dateOf(then: number, nowMs: number, locale: string): string {
  const sameYear = new Date(then).getFullYear() === new Date(nowMs).getFullYear();
  const options: Intl.DateTimeFormatOptions = { day: "numeric", month: "short" };
  return format(
    () => new Intl.DateTimeFormat(locale, sameYear ? options : { ...options, year: "numeric" }).format(then),
    new Date(then).toISOString().slice(0, 10),
  );
}

function format(make: () => string, otherwise: string): string {
  try {
    return make();
  } catch {
    return otherwise;
  }
}
