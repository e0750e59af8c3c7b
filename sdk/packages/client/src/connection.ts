// The state machine of the live connection, pure: (machine, event) → (machine, what to do). No socket, no clock, no
// promise: link.ts does what it says. The rules are those of docs/realtime-clients.md.

import { backoffMs } from "./backoff.ts";
import { HeliographError } from "./errors.ts";
import type { Signal } from "./ports.ts";

export type Phase =
  | "idle" // not started
  | "authorizing" // waiting for a token
  | "opening" // the socket is on its way to `connected`
  | "connected"
  | "waiting" // backoff
  | "suspended" // the app is in the background
  | "unauthorized"
  | "closed"; // stopped

export interface Machine {
  readonly phase: Phase;
  /** Tries that failed in a row, as far as backoff is concerned. */
  readonly failures: number;
  /** Refusals of the token in a row. */
  readonly refusals: number;
  /** The server said it goes down: the end of this connection is no failure. */
  readonly departing: boolean;
  readonly heartbeatMs: number;
  /** How long the present wait is. */
  readonly waitMs: number;
  readonly error: HeliographError | null;
}

/** `silence`: nothing was heard for too long. `again`: the time to come back. `stable`: it has stood for a while. */
export type Timer = "silence" | "again" | "stable";

export type Event =
  | { readonly is: "start" | "stop" }
  | { readonly is: "opened" | "heard" | "renewed" | "jumped" }
  | { readonly is: "token" }
  | { readonly is: "tokenFailed"; readonly error: HeliographError }
  | { readonly is: "connected"; readonly heartbeatMs: number }
  | { readonly is: "depart"; readonly afterMs: number }
  | { readonly is: "closed"; readonly code: number; readonly reason: string }
  | { readonly is: "timer"; readonly timer: Timer }
  | { readonly is: "signal"; readonly signal: Signal };

export type Effect =
  /** `fresh`: the token at hand was refused. */
  | { readonly do: "authorize"; readonly fresh: boolean }
  /** `leave`: the socket and every timer. */
  | { readonly do: "open" | "hello" | "ping" | "leave" }
  /** In the place of an earlier one of its name. */
  | { readonly do: "set"; readonly timer: Timer; readonly ms: number }
  | { readonly do: "warn"; readonly message: string }
  /** Tell the user's code that the token is no good. */
  | { readonly do: "refuse"; readonly error: HeliographError };

export type Step = readonly [Machine, readonly Effect[]];

/** A socket that isn't `connected` by then is given up. */
const DEADLINE_MS = 10_000;
/** A connection that stood this long was a good one: backoff starts anew. */
const STABLE_MS = 10_000;
/** What a ping of ours is given when there is doubt. */
const DOUBT_MS = 5_000;
const UNAUTHORIZED = 4401;
const FORBIDDEN = 4403;
/** Codes that say this client did something wrong. */
const OUR_FAULT: readonly number[] = [4400, 1009];

export const IDLE: Machine = {
  phase: "idle",
  failures: 0,
  refusals: 0,
  departing: false,
  heartbeatMs: 25_000,
  waitMs: 0,
  error: null,
};

/** `random`: 0 ≤ n < 1, for the jitter. */
export function step(machine: Machine, event: Event, random: number): Step {
  switch (event.is) {
    case "start":
      return running(machine) ? [machine, []] : authorize(IDLE);
    case "stop":
      return end({ ...IDLE, phase: "closed" });
    case "token":
      return machine.phase === "authorizing" ? open(machine) : [machine, []];
    case "tokenFailed":
      return machine.phase === "authorizing" ? wait(machine, event.error, random) : [machine, []];
    case "signal":
      return signalled(machine, event.signal);
    case "timer":
      return rang(machine, event.timer, random);
    default:
      return connectedTo(machine, event, random);
  }
}

type OfSocket = Extract<Event, { is: "opened" | "heard" | "renewed" | "jumped" | "connected" | "depart" | "closed" }>;

/** Events of a socket; without one they are late and mean nothing. */
function connectedTo(machine: Machine, event: OfSocket, random: number): Step {
  if (machine.phase !== "opening" && machine.phase !== "connected") return [machine, []];
  switch (event.is) {
    case "opened":
      return [machine, [{ do: "hello" }]];
    case "heard":
      return [machine, machine.phase === "connected" ? [silence(machine)] : []];
    case "connected":
      return live({ ...machine, heartbeatMs: event.heartbeatMs });
    case "depart":
      return [{ ...machine, departing: true }, [{ do: "set", timer: "again", ms: event.afterMs }]];
    case "renewed":
    case "jumped":
      return authorize(machine);
    case "closed":
      return lost(machine, event.code, event.reason, random);
  }
}

function running({ phase }: Machine): boolean {
  return phase !== "idle" && phase !== "closed" && phase !== "unauthorized";
}

/** Comes back at once, by way of a token. */
function authorize(machine: Machine, fresh = false): Step {
  return end({ ...machine, phase: "authorizing", departing: false }, [{ do: "authorize", fresh }]);
}

function open(machine: Machine): Step {
  return [{ ...machine, phase: "opening" }, [{ do: "open" }, { do: "set", timer: "silence", ms: DEADLINE_MS }]];
}

function live(machine: Machine): Step {
  return [
    { ...machine, phase: "connected", error: null },
    [silence(machine), { do: "set", timer: "stable", ms: STABLE_MS }],
  ];
}

/** The server speaks every heartbeat; after two without a word it is dead. */
function silence(machine: Machine): Effect {
  return { do: "set", timer: "silence", ms: 2 * machine.heartbeatMs + DOUBT_MS };
}

/** Leaves every socket and timer behind, then does the rest. */
function end(machine: Machine, then: readonly Effect[] = []): Step {
  return [machine, [{ do: "leave" }, ...then]];
}

function wait(machine: Machine, error: HeliographError, random: number): Step {
  const failures = machine.failures + 1;
  const waitMs = backoffMs(failures, random);
  const waiting: Machine = { ...machine, phase: "waiting", departing: false, failures, waitMs, error };
  return end(waiting, [{ do: "set", timer: "again", ms: waitMs }]);
}

function lost(machine: Machine, code: number, reason: string, random: number): Step {
  const error = new HeliographError("connection_lost", `Connection closed: ${code} ${reason}`.trim());
  if (code === UNAUTHORIZED && machine.refusals === 0) return authorize({ ...machine, refusals: 1 }, true);
  if (code === UNAUTHORIZED || code === FORBIDDEN) {
    const refusal = new HeliographError("unauthorized", "Token refused.", { status: code - 4000 });
    return end({ ...machine, phase: "unauthorized", departing: false, error: refusal }, [
      { do: "refuse", error: refusal },
    ]);
  }
  if (machine.departing) return authorize(machine);
  const [next, effects] = wait(machine, error, random);
  return OUR_FAULT.includes(code) ? [next, [{ do: "warn", message: error.message }, ...effects]] : [next, effects];
}

function rang(machine: Machine, timer: Timer, random: number): Step {
  switch (timer) {
    case "again":
      return authorize(machine);
    case "stable":
      return [{ ...machine, failures: 0, refusals: 0 }, []];
    case "silence":
      return connectedTo(machine, { is: "closed", code: 1006, reason: "no answer" }, random);
  }
}

function signalled(machine: Machine, signal: Signal): Step {
  if (signal === "suspend") return running(machine) ? end({ ...machine, phase: "suspended" }) : [machine, []];
  if (machine.phase === "connected") {
    // The network changed or the device slept: the socket may be dead without having said so.
    return [machine, [{ do: "ping" }, { do: "set", timer: "silence", ms: DOUBT_MS }]];
  }
  if (signal === "offline") return [machine, []];
  return machine.phase === "waiting" || machine.phase === "suspended" ? authorize(machine) : [machine, []];
}
