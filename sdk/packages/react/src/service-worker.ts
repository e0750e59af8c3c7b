/// <reference lib="webworker" />
// The service worker of Web Push: shows what comes, opens what is clicked, renews what the browser changed. Serve this
// file from your own origin, or `importScripts` it in a worker of your own. It never runs anything that was sent.

import { safeUrl } from "./components/safeUrl.ts";
import { SUBSCRIPTION_CHANGED } from "./push/messages.ts";

declare const self: ServiceWorkerGlobalScope;

interface Push {
  readonly title: string;
  readonly options: NotificationOptions & { readonly data: { readonly url: string | null } };
  readonly badge: number | undefined;
}

self.addEventListener("push", (event) => {
  const { title, options, badge } = readPush(event.data);
  event.waitUntil(Promise.all([self.registration.showNotification(title, options), setBadge(badge)]));
});

self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  event.waitUntil(open((event.notification.data as { url?: string | null } | null)?.url ?? null));
});

self.addEventListener("pushsubscriptionchange", (event) => {
  event.waitUntil(renew(event as PushSubscriptionChangeEvent));
});

/** Browsers stop pushes of pages that show nothing, so an unreadable one is shown too. */
function readPush(data: PushMessageData | null): Push {
  const sent = jsonOf(data);
  const image = safeUrl(textOf(sent["image_url"]) || null);
  const tag = textOf(sent["collapse_key"]) || textOf(sent["id"]);
  return {
    title: textOf(sent["title"]) || textOf(sent["body"]) || self.location.hostname,
    options: {
      body: textOf(sent["title"]) ? textOf(sent["body"]) : "",
      ...(tag ? { tag } : {}),
      ...(image ? { icon: image } : {}),
      data: { url: safeUrl(textOf(sent["action_url"]) || null) },
    },
    badge: typeof sent["badge"] === "number" ? sent["badge"] : undefined,
  };
}

function jsonOf(data: PushMessageData | null): Record<string, unknown> {
  try {
    const found: unknown = data?.json();
    return typeof found === "object" && found !== null ? (found as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

async function setBadge(count: number | undefined): Promise<void> {
  if (count === undefined || !("setAppBadge" in self.navigator)) return;
  await self.navigator.setAppBadge(count);
}

/** A window that is open already comes to the front; it is led to the URL only if that is the page's own origin. */
async function open(url: string | null): Promise<void> {
  const windows = await self.clients.matchAll({ type: "window", includeUncontrolled: true });
  const own = url === null || new URL(url).origin === self.location.origin;
  const window = own ? windows[0] : undefined;
  if (!window) {
    await self.clients.openWindow(url ?? "/");
    return;
  }
  await window.focus();
  if (url !== null && window.url !== url) await window.navigate(url);
}

/** Not in every browser's types, nor in every browser. */
interface PushSubscriptionChangeEvent extends ExtendableEvent {
  readonly oldSubscription?: PushSubscription | null;
  readonly newSubscription?: PushSubscription | null;
}

/** The worker has no token: an open page tells the server, else the next page does when it loads. */
async function renew({ newSubscription, oldSubscription }: PushSubscriptionChangeEvent): Promise<void> {
  if (!newSubscription && oldSubscription) await self.registration.pushManager.subscribe(oldSubscription.options);
  for (const page of await self.clients.matchAll({ type: "window", includeUncontrolled: true })) {
    page.postMessage({ type: SUBSCRIPTION_CHANGED });
  }
}
