// Push tokens by `expo-notifications`.

import type { PushPermission, PushSource, PushToken } from "./source.ts";

interface ExpoPermission {
  readonly granted: boolean;
  readonly status: string;
  readonly ios?: { readonly status: number };
}

interface ExpoDeviceToken {
  readonly type: string;
  // biome-ignore lint/suspicious/noExplicitAny: expo-notifications types it so
  readonly data: any;
}

/** What is used of `expo-notifications`; hand over `import * as Notifications from "expo-notifications"`. */
export interface ExpoNotificationsLike {
  getPermissionsAsync(): Promise<ExpoPermission>;
  requestPermissionsAsync(): Promise<ExpoPermission>;
  getExpoPushTokenAsync(options?: { projectId?: string; devicePushToken?: ExpoDeviceToken }): Promise<{ data: string }>;
  getDevicePushTokenAsync(): Promise<ExpoDeviceToken>;
  addPushTokenListener(listener: (token: ExpoDeviceToken) => void): { remove(): void };
}

export interface ExpoPushOptions {
  /**
   * `expo` (the default): an Expo push token, delivered by Expo's service. `device`: the phone's own, an APNs token on
   * iOS and an FCM token on Android, delivered without Expo.
   */
  readonly token?: "expo" | "device" | undefined;
  /** Expo's project, for `expo` tokens. Default: what `expo-constants` knows, as in a build made by EAS. */
  readonly projectId?: string | undefined;
}

// IosAuthorizationStatus.PROVISIONAL and EPHEMERAL: `granted` is false, and pushes arrive all the same.
const IOS_QUIETLY_ALLOWED = [3, 4];

export function expoPush(notifications: ExpoNotificationsLike, options: ExpoPushOptions = {}): PushSource {
  let last: unknown;
  const tokenOf = async (device: ExpoDeviceToken): Promise<PushToken> => {
    last = device.data;
    if (options.token === "device") return deviceToken(device);
    const project = options.projectId ? { projectId: options.projectId } : {};
    const { data } = await notifications.getExpoPushTokenAsync({ ...project, devicePushToken: device });
    return { kind: "expo", value: data };
  };
  return {
    permission: async () => permissionOf(await notifications.getPermissionsAsync()),
    requestPermission: async () => permissionOf(await notifications.requestPermissionsAsync()),
    getToken: async () => tokenOf(await notifications.getDevicePushTokenAsync()),
    onTokenChange: (listener) => {
      // The system also tells of a token because somebody asked for it: that one is known. And asking for it in here
      // would make the system tell again, and so on: so the new one is passed on.
      const subscription = notifications.addPushTokenListener((token) => {
        if (token.data !== last) listener(() => tokenOf(token));
      });
      return () => subscription.remove();
    },
  };
}

function deviceToken({ type, data }: ExpoDeviceToken): PushToken {
  if (type === "ios") return { kind: "apns", value: String(data) };
  if (type === "android") return { kind: "fcm_token", value: String(data) };
  throw new Error(`expo-notifications answered a push token of the unknown type ${type}`);
}

function permissionOf({ granted, status, ios }: ExpoPermission): PushPermission {
  if (granted || (ios && IOS_QUIETLY_ALLOWED.includes(ios.status))) return "granted";
  return status === "denied" ? "denied" : "undetermined";
}
