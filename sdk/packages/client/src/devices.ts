// This installation as something that can show a push, and the key a browser needs for its subscription.

import { HeliographError } from "./errors.ts";
import type { Http } from "./http.ts";
import type { DeviceKind, PushSubscriptionJSON } from "./types.ts";

export function devices(http: Http) {
  return {
    /** Registering the same again changes nothing. Rejects with HeliographError. */
    register: async (kind: DeviceKind, value: string | PushSubscriptionJSON): Promise<{ id: string }> => ({
      id: String((await http.call("POST", "/v1/devices", { kind, value }))["id"]),
    }),
    /** One that is gone already is no error. */
    remove: async (id: string): Promise<void> => {
      await unlessAbsent(http.call("DELETE", `/v1/devices/${encodeURIComponent(id)}`));
    },
  };
}

export function webPush(http: Http) {
  return {
    /** The `applicationServerKey`; null = the server doesn't send Web Push. */
    publicKey: async (): Promise<string | null> => {
      const key = (await unlessAbsent(http.call("GET", "/v1/webpush/key")))?.["public_key"];
      return typeof key === "string" ? key : null;
    },
  };
}

async function unlessAbsent<T>(call: Promise<T>): Promise<T | null> {
  try {
    return await call;
  } catch (error) {
    if (error instanceof HeliographError && error.status === 404) return null;
    throw error;
  }
}
