// Checked by tsc, never run: what an app hands over fits as it is, and mistakes are refused.

import type { Heliograph } from "@heliograph/client";
import type { Notification as OfHooks } from "@heliograph/react/hooks";
import AsyncStorage from "@react-native-async-storage/async-storage";
import NetInfo from "@react-native-community/netinfo";
import {
  HeliographProvider,
  Inbox,
  keyValueStorage,
  type NetInfoLike,
  type Notification,
  type PushSource,
  type PushState,
  useNotifications,
  usePushRegistration,
} from "../src/index.ts";

const connection = { baseUrl: "https://notify.example", getToken: () => "token" };

export const netInfo: NetInfoLike = NetInfo;
export const storage = keyValueStorage(AsyncStorage);
export const app = <HeliographProvider {...connection} userId="ada" storage={AsyncStorage} netInfo={NetInfo} />;
export const given = (client: Heliograph) => <HeliographProvider client={client} storage={AsyncStorage} />;
export const same = (one: OfHooks): Notification => one;
export const list = (): readonly Notification[] => useNotifications({ unread: true }).notifications;
export const push = (source: PushSource): PushState["status"] => usePushRegistration(source).status;

// @ts-expect-error: there are no tabs on a phone
export const tabs = <HeliographProvider {...connection} crossTab />;
// @ts-expect-error: the environment is the phone
export const environment = <HeliographProvider {...connection} environment={{}} />;
// @ts-expect-error: without getToken nobody is let in
export const tokenless = <HeliographProvider baseUrl="https://notify.example" />;
// @ts-expect-error: no such view
export const view = <Inbox views={["snoozed"]} />;
// @ts-expect-error: a browser's subscription is registered by the web package
export const browser: Awaited<ReturnType<PushSource["getToken"]>> = { kind: "webpush", value: "x" };
