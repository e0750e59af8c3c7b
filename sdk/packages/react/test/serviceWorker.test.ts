// @vitest-environment node
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { SUBSCRIPTION_CHANGED } from "../src/push/messages.ts";

type Listener = (event: Record<string, unknown>) => void;

/** What the browser gives a service worker. */
class Scope {
  readonly listeners = new Map<string, Listener>();
  readonly shown: unknown[][] = [];
  readonly opened: string[] = [];
  readonly badges: number[] = [];
  readonly resubscribed: unknown[] = [];
  windows: {
    url: string;
    focus: () => Promise<void>;
    navigate: (url: string) => Promise<void>;
    postMessage: (message: unknown) => void;
  }[] = [];

  readonly location = new URL("https://shop.example/heliograph-sw.js");
  readonly navigator = { setAppBadge: async (count: number) => void this.badges.push(count) };
  readonly registration = {
    showNotification: async (...all: unknown[]) => void this.shown.push(all),
    pushManager: { subscribe: async (options: unknown) => void this.resubscribed.push(options) },
  };
  readonly clients = {
    matchAll: async () => this.windows,
    openWindow: async (url: string) => void this.opened.push(url),
  };
  addEventListener(name: string, listener: Listener): void {
    this.listeners.set(name, listener);
  }

  async dispatch(name: string, event: Record<string, unknown>): Promise<void> {
    let work: unknown;
    this.listeners.get(name)?.({ ...event, waitUntil: (promise: unknown) => (work = promise) });
    await work;
  }
}

let scope: Scope;
beforeEach(async () => {
  scope = new Scope();
  vi.stubGlobal("self", scope);
  vi.resetModules();
  await import("../src/service-worker.ts");
});
afterEach(() => vi.unstubAllGlobals());

const push = (sent: unknown) => scope.dispatch("push", { data: { json: () => sent } });
const unreadable = {
  json: () => {
    throw new SyntaxError("not JSON");
  },
};

function window(url: string) {
  const events: unknown[] = [];
  scope.windows.push({
    url,
    focus: async () => void events.push("focus"),
    navigate: async (to) => void events.push(to),
    postMessage: (message) => void events.push(message),
  });
  return events;
}

it("shows what was sent, with its picture, its tag and the badge", async () => {
  await push({
    id: "ntf_1",
    title: "Shipped",
    body: "On its way",
    action_url: "https://shop.example/o/1",
    image_url: "https://shop.example/1.png",
    collapse_key: "order-1",
    badge: 3,
  });
  expect(scope.shown).toEqual([
    [
      "Shipped",
      {
        body: "On its way",
        tag: "order-1",
        icon: "https://shop.example/1.png",
        data: { url: "https://shop.example/o/1" },
      },
    ],
  ]);
  expect(scope.badges).toEqual([3]);
});

it.each([
  ["no data", null],
  ["no JSON", unreadable],
  ["no object", { json: () => 42 }],
  ["wrong types", { json: () => ({ title: {}, body: 1, action_url: [], badge: "x" }) }],
])("shows something for %s: a browser stops pushes that show nothing", async (_, data) => {
  await scope.dispatch("push", { data });
  expect(scope.shown).toEqual([["shop.example", { body: "", data: { url: null } }]]);
});

it("takes the body where there is no title", async () => {
  await push({ body: "Only this", id: "ntf_1" });
  expect(scope.shown).toEqual([["Only this", { body: "", tag: "ntf_1", data: { url: null } }]]);
});

it.each(["javascript:alert(1)", "data:text/html,x", "not a url"])("%s leads nowhere and shows nothing", async (url) => {
  await push({ title: "T", action_url: url, image_url: url });
  expect(scope.shown).toEqual([["T", { body: "", data: { url: null } }]]);
});

const click = (url: string | null) =>
  scope.dispatch("notificationclick", { notification: { close: () => {}, data: { url } } });

it("a click opens the URL, or the start page without one", async () => {
  await click("https://elsewhere.example/x");
  await click(null);
  expect(scope.opened).toEqual(["https://elsewhere.example/x", "/"]);
});

it("a click brings an open window to the front, and leads it there only within the page's origin", async () => {
  const events = window("https://shop.example/");
  await click("https://shop.example/orders/1");
  await click(null);
  await click("https://shop.example/");
  await click("https://elsewhere.example/");
  expect(events).toEqual(["focus", "https://shop.example/orders/1", "focus", "focus"]);
  expect(scope.opened).toEqual(["https://elsewhere.example/"]);
});

it("renews a subscription that the browser took away, and tells the pages", async () => {
  const events = window("https://shop.example/");
  const options = { userVisibleOnly: true };
  await scope.dispatch("pushsubscriptionchange", { oldSubscription: { options }, newSubscription: null });
  await scope.dispatch("pushsubscriptionchange", { oldSubscription: { options }, newSubscription: {} });
  await scope.dispatch("pushsubscriptionchange", {});
  expect(scope.resubscribed).toEqual([options]);
  expect(events).toEqual([
    { type: SUBSCRIPTION_CHANGED },
    { type: SUBSCRIPTION_CHANGED },
    { type: SUBSCRIPTION_CHANGED },
  ]);
});
