// Web Push: from the person's yes to a registered device, and keeping it right afterwards. Needs the service worker
// that this package ships (`@heliograph/react/service-worker.js`) to be served from the page's own origin.

import type { Heliograph, HeliographError, PushSubscriptionJSON } from "@heliograph/client";
import { useCallback, useEffect, useMemo, useState } from "react";
import { useHeliograph } from "../hooks/provider.tsx";
import { useLatest } from "../hooks/useLatest.ts";
import { SUBSCRIPTION_CHANGED } from "./messages.ts";

export interface PushRegistrationOptions {
  /** Where the page's origin serves the worker. Default `/heliograph-sw.js`. */
  readonly serviceWorkerUrl?: string;
  readonly scope?: string;
  /** Told the device's id: give it to the provider as `device`, and a connected page gets no push beside the frame. */
  readonly onDevice?: (id: string | null) => void;
}

/**
 * `unsupported`: this browser has no Web Push, or the server no key. `denied`: the person said no, and only the
 * browser's settings can change it. `off`: nothing is registered. `on`: this browser gets pushes.
 */
export type PushStatus = "checking" | "unsupported" | "denied" | "off" | "on";

export interface UsePushRegistrationResult {
  readonly status: PushStatus;
  readonly isBusy: boolean;
  readonly error: Error | HeliographError | null;
  /** Asks the person, subscribes, registers. Call it in a click: browsers ask at no other time. */
  readonly register: () => Promise<void>;
  /** Forgets this browser here and at the server. */
  readonly unregister: () => Promise<void>;
}

/** Whether this browser is registered is looked up at every load, since subscriptions change and vanish unseen. */
export function usePushRegistration(options: PushRegistrationOptions = {}): UsePushRegistrationResult {
  const client = useHeliograph();
  const { serviceWorkerUrl = "/heliograph-sw.js", scope } = options;
  const onDevice = useLatest(options.onDevice);
  const [status, setStatus] = useState<PushStatus>("checking");
  const [isBusy, setIsBusy] = useState(false);
  const [error, setError] = useState<Error | null>(null);

  const run = useCallback(
    async (work: (push: Registration) => Promise<PushStatus>) => {
      setIsBusy(true);
      try {
        const push = new Registration(client, serviceWorkerUrl, scope, (id) => onDevice.current?.(id));
        setStatus(isSupported() ? await work(push) : "unsupported");
        setError(null);
      } catch (problem) {
        setError(problem instanceof Error ? problem : new Error(String(problem)));
        setStatus((before) => (before === "checking" ? "off" : before));
      } finally {
        setIsBusy(false);
      }
    },
    [client, serviceWorkerUrl, scope, onDevice],
  );

  useEffect(() => {
    void run((push) => push.check());
    return onWorkerMessage(() => void run((push) => push.check()));
  }, [run]);

  const register = useCallback(() => run((push) => push.register()), [run]);
  const unregister = useCallback(() => run((push) => push.unregister()), [run]);
  return useMemo(
    () => ({ status, isBusy, error, register, unregister }),
    [status, isBusy, error, register, unregister],
  );
}

function isSupported(): boolean {
  return typeof navigator !== "undefined" && "serviceWorker" in navigator && "PushManager" in globalThis;
}

function onWorkerMessage(listener: () => void): () => void {
  if (!isSupported()) return () => {};
  const look = (event: MessageEvent): void => {
    if ((event.data as { type?: unknown } | null)?.type === SUBSCRIPTION_CHANGED) listener();
  };
  const { serviceWorker } = navigator;
  serviceWorker.addEventListener("message", look);
  return () => serviceWorker.removeEventListener("message", look);
}

/** One person's registration of this browser. */
class Registration {
  readonly #client: Heliograph;
  readonly #workerUrl: string;
  readonly #scope: string | undefined;
  readonly #onDevice: (id: string | null) => void;

  constructor(client: Heliograph, workerUrl: string, scope: string | undefined, onDevice: (id: string | null) => void) {
    this.#client = client;
    this.#workerUrl = workerUrl;
    this.#scope = scope;
    this.#onDevice = onDevice;
  }

  /** Registers again what is subscribed, and subscribes again what was lost: both change nothing if all is well. */
  async check(): Promise<PushStatus> {
    if (Notification.permission === "denied") return "denied";
    const remembered = recall();
    if (Notification.permission !== "granted" || !remembered) return "off";
    return this.#subscribe();
  }

  async register(): Promise<PushStatus> {
    const permission = await Notification.requestPermission();
    if (permission !== "granted") return permission === "denied" ? "denied" : "off";
    return this.#subscribe();
  }

  async unregister(): Promise<PushStatus> {
    const remembered = recall();
    if (remembered) await this.#client.devices.remove(remembered);
    const worker = await this.#worker();
    await (await worker.pushManager.getSubscription())?.unsubscribe();
    forget();
    this.#onDevice(null);
    return "off";
  }

  async #subscribe(): Promise<PushStatus> {
    const publicKey = await this.#client.webPush.publicKey();
    if (publicKey === null) return "unsupported";
    const worker = await this.#worker();
    const subscription = await subscriptionFor(worker, publicKey);
    // A kind and value belong to one person at a time: registering it again moves it, and is no second device.
    const { id } = await this.#client.devices.register("webpush", subscription.toJSON() as PushSubscriptionJSON);
    const before = recall();
    if (before && before !== id) await this.#client.devices.remove(before).catch(() => {}); // the server may know
    remember(id);
    this.#onDevice(id);
    return "on";
  }

  async #worker(): Promise<ServiceWorkerRegistration> {
    await navigator.serviceWorker.register(this.#workerUrl, this.#scope === undefined ? {} : { scope: this.#scope });
    return navigator.serviceWorker.ready;
  }
}

/** The subscription with the server's key; one with another key would be refused by the push service. */
async function subscriptionFor(worker: ServiceWorkerRegistration, publicKey: string): Promise<PushSubscription> {
  const applicationServerKey = bytesOf(publicKey);
  const existing = await worker.pushManager.getSubscription();
  if (existing && sameBytes(existing.options.applicationServerKey, applicationServerKey)) return existing;
  await existing?.unsubscribe();
  return worker.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey });
}

function bytesOf(base64url: string): Uint8Array<ArrayBuffer> {
  const binary = atob(base64url.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(binary, (character) => character.charCodeAt(0));
}

function sameBytes(one: ArrayBuffer | null, other: Uint8Array): boolean {
  const bytes = new Uint8Array(one ?? new ArrayBuffer(0));
  return bytes.length === other.length && bytes.every((byte, index) => byte === other[index]);
}

// Which device this browser is. Storage may be full or blocked: then it is asked again at the next load.
const DEVICE_KEY = "heliograph:webpush";

function recall(): string | null {
  try {
    return localStorage.getItem(DEVICE_KEY);
  } catch {
    return null;
  }
}

function remember(id: string): void {
  try {
    localStorage.setItem(DEVICE_KEY, id);
  } catch {
    // it works without
  }
}

function forget(): void {
  try {
    localStorage.removeItem(DEVICE_KEY);
  } catch {
    // it works without
  }
}
