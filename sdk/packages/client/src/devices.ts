// This installation as something that can show a push, and the key a browser needs for its subscription.

import { HeliographError } from "./errors.ts";
import type { Call } from "./http.ts";
import type { DeviceKind, PushSubscriptionJSON } from "./types.ts";

export function devices(call: Call) {
  return {
    /** Registering the same again changes nothing. Rejects with HeliographError. */
    register: async (kind: DeviceKind, value: string | PushSubscriptionJSON): Promise<{ id: string }> => ({
      id: String((await call("POST", "/v1/devices", { kind, value }))["id"]),
    }),
    /** One that is gone already is no error. */
    remove: async (id: string): Promise<void> => {
      await unlessAbsent(call("DELETE", `/v1/devices/${encodeURIComponent(id)}`));
    },
  };
}

export function webPush(call: Call) {
  return {
    /** The `applicationServerKey`; null = the server doesn't send Web Push. */
    publicKey: async (): Promise<string | null> => {
      const key = (await unlessAbsent(call("GET", "/v1/webpush/key")))?.["public_key"];
      return typeof key === "string" ? key : null;
    },
  };
}

async function unlessAbsent<T>(answer: Promise<T>): Promise<T | null> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof HeliographError && error.status === 404) return null;
    throw error;
  }
}
