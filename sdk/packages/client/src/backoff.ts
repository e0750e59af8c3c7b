// How long to wait before the next try: full jitter, so that a server's restart doesn't bring everybody at once.

const FIRST_MS = 500;
const LONGEST_MS = 20_000;

/** Milliseconds; `failures` = tries that failed before this one, from 1; `random` = 0 ≤ n < 1. */
export function backoffMs(failures: number, random: number): number {
  const ceiling = Math.min(LONGEST_MS, FIRST_MS * 2 ** (failures - 1));
  return Math.round(random * ceiling);
}
