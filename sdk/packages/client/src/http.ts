// Calls of the HTTP API with the user's token: problem documents become errors, a refused token is renewed once, what
// may pass by itself is tried again. The paths and shapes are checked against the server's OpenAPI document
// (test/openapi.test.ts).

import { backoffMs } from "./backoff.ts";
import { type FieldError, HeliographError } from "./errors.ts";
import type { Environment, HttpResponse, Transport } from "./ports.ts";
import type { Tokens } from "./token.ts";
import { type Json, parseJson, text } from "./wire.ts";

const TIMEOUT_MS = 15_000;
const TRIES = 4;
const LONGEST_WAIT_MS = 30_000;

export type Method = "GET" | "POST" | "PUT" | "DELETE";

/**
 * Makes a call: the answer's JSON object, `{}` where it has no body. All calls of this client may be repeated safely, so
 * what may pass by itself (no answer, 429, 5xx) is; without a network it waits for one first. Rejects with
 * HeliographError.
 */
export type Call = (method: Method, path: string, body?: unknown) => Promise<Json>;

interface CallPorts {
  readonly baseUrl: string;
  readonly transport: Transport;
  readonly environment: Environment;
  readonly tokens: Tokens;
  /** The token was refused, and so was the next one. */
  readonly refused: (error: HeliographError) => void;
}

export function calling({ baseUrl, transport, environment, tokens, refused }: CallPorts): Call {
  const once = async (token: string, method: Method, path: string, body?: unknown) => {
    const headers = {
      Authorization: `Bearer ${token}`,
      ...(body !== undefined && { "Content-Type": "application/json" }),
    };
    const request = { method, headers, body: JSON.stringify(body), timeoutMs: TIMEOUT_MS };
    try {
      return await outcomeOf(await transport.fetch(baseUrl + path, request));
    } catch (cause) {
      return new HeliographError("network", "No answer.", { cause });
    }
  };
  /** Rejects when there is no token to be had; refusals of the server are values. */
  const authorized: (...call: Parameters<Call>) => Promise<Json | HeliographError> = async (...call) => {
    const token = await tokens.get();
    const outcome = await once(token, ...call);
    if (!isRefusal(outcome)) return outcome;
    const again = await once(await tokens.instead(token), ...call);
    if (isRefusal(again)) refused(again);
    return again;
  };
  return async (...call) => {
    for (let tries = 1; ; tries++) {
      await online(environment);
      const outcome = await authorized(...call);
      if (!(outcome instanceof HeliographError)) return outcome;
      if (tries === TRIES || !passes(outcome)) throw outcome;
      const asked = (outcome.retryAfterS ?? 0) * 1000;
      const ms = Math.min(LONGEST_WAIT_MS, asked + backoffMs(tries, environment.random()));
      await new Promise<void>((resolve) => environment.clock.after(ms, resolve));
    }
  };
}

/** The JSON of a good answer, or the error that a bad one is. */
export async function outcomeOf(response: HttpResponse): Promise<Json | HeliographError> {
  const body = await response.text();
  const { status } = response;
  if (status >= 200 && status < 300) {
    const json = body === "" ? {} : parseJson(body);
    return json ?? new HeliographError("protocol", "Not JSON.", { status });
  }
  return problem(status, parseJson(body) ?? {}, response.header("Retry-After"));
}

function problem(status: number, json: Json, retryAfter: string | null): HeliographError {
  const code = text(json["code"]) ?? "http";
  const message = text(json["detail"]) ?? `HTTP ${status}`;
  const errors = Array.isArray(json["errors"]) ? (json["errors"] as FieldError[]) : [];
  const seconds = Number(retryAfter ?? "none");
  return new HeliographError(code, message, { status, errors, retryAfterS: seconds >= 0 ? seconds : null });
}

/** Whether the same call may well succeed a little later. */
export function passes({ code, status }: HeliographError): boolean {
  return code === "network" || status === 429 || status >= 500;
}

function isRefusal(outcome: unknown): outcome is HeliographError {
  return outcome instanceof HeliographError && outcome.status === 401;
}

async function online(environment: Environment): Promise<void> {
  if (environment.isOnline()) return;
  await new Promise<void>((resolve) => {
    const stop = environment.listen((signal) => {
      if (signal !== "online") return;
      stop();
      resolve();
    });
  });
}
