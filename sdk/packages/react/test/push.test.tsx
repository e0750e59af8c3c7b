import { act, renderHook, waitFor } from "@testing-library/react";
import type { ReactNode } from "react";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { HeliographProvider, usePushRegistration } from "../src/index.ts";
import { SUBSCRIPTION_CHANGED } from "../src/push/messages.ts";
import { FakeClient, failure } from "./support/fakeClient.tsx";

/** The server's key, base64url, and its bytes. */
const KEY = "-_8B";
const KEY_BYTES = [0xfb, 0xff, 0x01];

interface Subscription {
  readonly endpoint: string;
  readonly options: { readonly applicationServerKey: ArrayBuffer };
  toJSON(): unknown;
  unsubscribe(): Promise<boolean>;
}

/** The browser's side of Web Push. */
class Browser {
  permission: NotificationPermission = "default";
  answer: NotificationPermission = "granted";
  subscription: Subscription | null = null;
  subscribed = 0;
  readonly listeners = new Set<(event: { data: unknown }) => void>();
  readonly register = vi.fn(async (_: string, __: unknown) => ({}));

  install(): void {
    vi.stubGlobal("PushManager", class {});
    const browser = this;
    vi.stubGlobal("Notification", {
      get permission() {
        return browser.permission;
      },
      requestPermission: async () => {
        browser.permission = browser.answer;
        return browser.answer;
      },
    });
    vi.stubGlobal("navigator", { serviceWorker: this.#serviceWorker() });
  }

  #serviceWorker() {
    const pushManager = {
      getSubscription: async () => this.subscription,
      subscribe: async ({ applicationServerKey }: { applicationServerKey: Uint8Array<ArrayBuffer> }) => {
        this.subscription = this.made(applicationServerKey);
        return this.subscription;
      },
    };
    return {
      register: this.register,
      ready: Promise.resolve({ pushManager }),
      addEventListener: (_: string, listener: (event: { data: unknown }) => void) => this.listeners.add(listener),
      removeEventListener: (_: string, listener: (event: { data: unknown }) => void) => this.listeners.delete(listener),
    };
  }

  made(key: Uint8Array<ArrayBuffer>): Subscription {
    const endpoint = `https://push.example/${++this.subscribed}`;
    return {
      endpoint,
      options: { applicationServerKey: Uint8Array.from(key).buffer },
      toJSON: () => ({ endpoint }),
      unsubscribe: async () => {
        this.subscription = null;
        return true;
      },
    };
  }
}

let client: FakeClient;
let browser: Browser;
beforeEach(() => {
  client = new FakeClient();
  client.webPush.publicKey.mockResolvedValue(KEY);
  browser = new Browser();
  browser.install();
  localStorage.clear();
});
afterEach(() => vi.unstubAllGlobals());

async function open(onDevice?: (id: string | null) => void) {
  const wrapper = ({ children }: { children: ReactNode }) => (
    <HeliographProvider client={client.real}>{children}</HeliographProvider>
  );
  const hook = renderHook(() => usePushRegistration(onDevice ? { onDevice } : {}), { wrapper });
  await waitFor(() => expect(hook.result.current.status).not.toBe("checking"));
  return hook;
}

it("asks nothing and registers nothing by itself", async () => {
  const { result } = await open();
  expect(result.current.status).toBe("off");
  expect(browser.permission).toBe("default");
  expect(browser.register).not.toHaveBeenCalled();
});

it("registers the browser with the server's key after a yes, and tells the device", async () => {
  const devices: (string | null)[] = [];
  const { result } = await open((id) => devices.push(id));
  await act(() => result.current.register());
  expect(result.current).toMatchObject({ status: "on", error: null, isBusy: false });
  expect(browser.register).toHaveBeenCalledWith("/heliograph-sw.js", {});
  expect([...new Uint8Array(browser.subscription?.options.applicationServerKey ?? new ArrayBuffer(0))]).toEqual(
    KEY_BYTES,
  );
  expect(client.devices.register).toHaveBeenCalledWith("webpush", { endpoint: "https://push.example/1" });
  expect(devices).toEqual(["dev_1"]);
});

it.each([
  ["denied", "denied"],
  ["default", "off"],
] as const)("a person who answers %s is registered nowhere", async (answer, status) => {
  browser.answer = answer;
  const { result } = await open();
  await act(() => result.current.register());
  expect(result.current.status).toBe(status);
  expect(client.devices.register).not.toHaveBeenCalled();
});

it("is unsupported without a key, and without a browser that can", async () => {
  client.webPush.publicKey.mockResolvedValue(null);
  const { result } = await open();
  await act(() => result.current.register());
  expect(result.current.status).toBe("unsupported");
  vi.stubGlobal("navigator", {});
  expect((await open()).result.current.status).toBe("unsupported");
});

it("says why it failed, and may be tried again", async () => {
  client.devices.register.mockRejectedValueOnce(failure);
  const { result } = await open();
  await act(() => result.current.register());
  expect(result.current).toMatchObject({ status: "off", error: failure });
  await act(() => result.current.register());
  expect(result.current).toMatchObject({ status: "on", error: null });
});

it("looks after its registration at every load: a lost subscription is made anew, the old device goes", async () => {
  const first = await open();
  await act(() => first.result.current.register());
  first.unmount();
  browser.subscription = null;
  client.devices.register.mockResolvedValue({ id: "dev_2" });
  const second = await open();
  expect(second.result.current.status).toBe("on");
  expect(client.devices.register).toHaveBeenLastCalledWith("webpush", { endpoint: "https://push.example/2" });
  expect(client.devices.remove).toHaveBeenCalledWith("dev_1");
});

it("keeps a subscription with the server's key, and replaces one with another", async () => {
  const { result } = await open();
  await act(() => result.current.register());
  await act(() => result.current.register());
  expect(browser.subscribed).toBe(1);
  client.webPush.publicKey.mockResolvedValue("AAAA");
  await act(() => result.current.register());
  expect(browser.subscribed).toBe(2);
});

it("tells the server when the worker says that the browser changed the subscription", async () => {
  const { result, unmount } = await open();
  await act(() => result.current.register());
  client.devices.register.mockClear();
  const say = (data: unknown) => {
    for (const listener of browser.listeners) listener({ data });
  };
  await act(async () => say("something else"));
  expect(client.devices.register).not.toHaveBeenCalled();
  await act(async () => say({ type: SUBSCRIPTION_CHANGED }));
  await waitFor(() => expect(client.devices.register).toHaveBeenCalledTimes(1));
  unmount();
  expect(browser.listeners.size).toBe(0);
});

it("unregisters here and at the server, and stays off at the next load", async () => {
  const devices: (string | null)[] = [];
  const { result, unmount } = await open((id) => devices.push(id));
  await act(() => result.current.register());
  await act(() => result.current.unregister());
  expect(result.current.status).toBe("off");
  expect(client.devices.remove).toHaveBeenCalledWith("dev_1");
  expect(browser.subscription).toBeNull();
  expect(devices).toEqual(["dev_1", null]);
  unmount();
  expect((await open()).result.current.status).toBe("off");
});

it("works where storage is blocked", async () => {
  vi.stubGlobal("localStorage", {
    getItem: () => {
      throw new Error("blocked");
    },
    setItem: () => {
      throw new Error("full");
    },
  });
  const { result } = await open();
  await act(() => result.current.register());
  expect(result.current.status).toBe("on");
});
