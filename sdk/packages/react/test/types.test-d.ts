import type { Heliograph, HeliographOptions } from "@heliograph/client";
import { assertType, expectTypeOf, it } from "vitest";
import {
  de,
  en,
  type HeliographError,
  type HeliographProviderProps,
  type InboxProps,
  type Notification,
  type PushStatus,
  type Strings,
  useConnection,
  useHeliograph,
  useNotifications,
  usePreferences,
  usePushRegistration,
  useUnreadCount,
} from "../src/index.ts";

it("hooks answer what they say", () => {
  expectTypeOf(useHeliograph).returns.toEqualTypeOf<Heliograph>();
  expectTypeOf(useUnreadCount).returns.toBeNumber();
  expectTypeOf(useConnection).returns.toHaveProperty("isConnected").toBeBoolean();
  const list = useNotifications({ unread: true, category: "news", archived: false, limit: 50 });
  expectTypeOf(list.notifications).toEqualTypeOf<readonly Notification[]>();
  expectTypeOf(list.error).toEqualTypeOf<HeliographError | null>();
  expectTypeOf(list.fetchMore).returns.toEqualTypeOf<Promise<void>>();
  expectTypeOf(list.read).parameter(0).toEqualTypeOf<Notification | string>();
  expectTypeOf(usePushRegistration().status).toEqualTypeOf<PushStatus>();
});

it("what can't be is refused", () => {
  // @ts-expect-error no such filter
  useNotifications({ read: true });
  // @ts-expect-error snapshots are not changed in place
  useNotifications().notifications.push();
  // @ts-expect-error no such channel
  void usePreferences().update({ channels: { sms: true } });
  // @ts-expect-error a provider needs a client or what one is made of
  assertType<HeliographProviderProps>({ userId: "ada" });
  // @ts-expect-error the provider doesn't make another client beside a given one
  assertType<HeliographProviderProps>({ client: {} as Heliograph, baseUrl: "https://notify.example" });
  // @ts-expect-error no such view
  assertType<InboxProps>({ views: ["read"] });
});

it("a provider takes every option of the client", () => {
  expectTypeOf<HeliographOptions & { userId: string; enabled: boolean }>().toExtend<HeliographProviderProps>();
});

it("a translation is whole, an override needn't be", () => {
  expectTypeOf(de).toEqualTypeOf<Strings>();
  expectTypeOf(en).toEqualTypeOf<Strings>();
  assertType<HeliographProviderProps>({ client: {} as Heliograph, strings: { notifications: "Messages" } });
  // @ts-expect-error words are missing
  assertType<Strings>({ locale: "fr" });
});
