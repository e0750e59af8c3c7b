// This installation as something that can show a push, and the key a browser needs for its subscription.

import { HeliographError } from "./errors.ts";
import type { Http } from "./http.ts";
import type { DeviceKind, PushSubscriptionJSON } from "./types.ts";
import { text } from "./wire.ts";

export class Devices {
  readonly #http: Http;

  constructor(http: Http) {
    this.#http = http;
  }

  /** Registering the same again changes nothing. Rejects with HeliographError. */
  async register(kind: DeviceKind, value: string | PushSubscriptionJSON): Promise<{ id: string }> {
    const id = text((await this.#http.call("POST", "/v1/devices", { kind, value }))["id"]);
    if (id === null) throw new HeliographError("protocol", "The server answered no device id.");
    return { id };
  }

  /** One that is gone already is no error. */
  async remove(id: string): Promise<void> {
    await unlessAbsent(this.#http.call("DELETE", `/v1/devices/${encodeURIComponent(id)}`));
  }
}

export class WebPush {
  readonly #http: Http;

  constructor(http: Http) {
    this.#http = http;
  }

  /** The `applicationServerKey`; null = the server doesn't send Web Push. */
  async publicKey(): Promise<string | null> {
    return text((await unlessAbsent(this.#http.call("GET", "/v1/webpush/key")))?.["public_key"]);
  }
}

async function unlessAbsent<T>(call: Promise<T>): Promise<T | null> {
  try {
    return await call;
  } catch (error) {
    if (error instanceof HeliographError && error.status === 404) return null;
    throw error;
  }
}
