// Push tokens by `@react-native-firebase/messaging`, through its functions (version 22 and later).

// biome-ignore lint/correctness/useReactNativePlatformComponents: no component; it is only called on Android
import { PermissionsAndroid, Platform } from "react-native";
import type { PushPermission, PushSource, PushToken } from "./source.ts";

/** What is used of it; hand over `import * as messaging from "@react-native-firebase/messaging"`. */
export interface FirebaseMessagingLike<M> {
  getMessaging(): M;
  getToken(messaging: M): Promise<string>;
  getAPNSToken(messaging: M): Promise<string | null>;
  onTokenRefresh(messaging: M, listener: (token: string) => void): () => void;
  hasPermission(messaging: M): Promise<number>;
  requestPermission(messaging: M): Promise<number>;
  isDeviceRegisteredForRemoteMessages(messaging: M): boolean;
  registerDeviceForRemoteMessages(messaging: M): Promise<void>;
}

export interface FirebasePushOptions {
  /** `fcm` (the default), or `apns` for an iPhone that Heliograph reaches without Firebase. Android always uses FCM. */
  readonly token?: "fcm" | "apns" | undefined;
}

export function firebasePush<M>(library: FirebaseMessagingLike<M>, options: FirebasePushOptions = {}): PushSource {
  const messaging = () => library.getMessaging();
  const read = async (): Promise<PushToken> => {
    if (Platform.OS === "ios" && !library.isDeviceRegisteredForRemoteMessages(messaging())) {
      await library.registerDeviceForRemoteMessages(messaging());
    }
    if (Platform.OS !== "ios" || options.token !== "apns") {
      return { kind: "fcm_token", value: await library.getToken(messaging()) };
    }
    const value = await library.getAPNSToken(messaging());
    if (!value) throw new Error("iOS has no APNs token yet");
    return { kind: "apns", value };
  };
  const android = needsAndroidPermission();
  return {
    permission: async () => (android ? androidPermission() : permissionOf(await library.hasPermission(messaging()))),
    requestPermission: async () =>
      android ? askAndroid() : permissionOf(await library.requestPermission(messaging())),
    getToken: read,
    onTokenChange: (listener) => library.onTokenRefresh(messaging(), () => listener(read)),
  };
}

/** AuthorizationStatus: -1 not determined, 0 denied, 1 authorized, 2 provisional, 3 ephemeral. */
function permissionOf(status: number): PushPermission {
  if (status > 0) return "granted";
  return status === 0 ? "denied" : "undetermined";
}

/** Android 13 (API 33) asks; the library doesn't, there it always answers "authorized". */
function needsAndroidPermission(): boolean {
  return Platform.OS === "android" && Platform.Version >= 33;
}

async function androidPermission(): Promise<PushPermission> {
  // Android tells granted or not, never whether the person was asked before.
  return (await PermissionsAndroid.check("android.permission.POST_NOTIFICATIONS")) ? "granted" : "undetermined";
}

async function askAndroid(): Promise<PushPermission> {
  const answer = await PermissionsAndroid.request("android.permission.POST_NOTIFICATIONS");
  return answer === "granted" ? "granted" : "denied";
}
