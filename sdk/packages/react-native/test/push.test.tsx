import { screen, userEvent } from "@testing-library/react-native";
// biome-ignore lint/correctness/useReactNativePlatformComponents: no component
import { PermissionsAndroid, Platform, Pressable, Text } from "react-native";
import {
  type ExpoNotificationsLike,
  expoPush,
  type FirebaseMessagingLike,
  firebasePush,
  type PushPermission,
  type PushSource,
  type PushToken,
  usePushRegistration,
} from "../src/index.ts";
import { appGoes, controlAppState, happens, MemoryStorage, settle, shown } from "./support/app.tsx";
import { FakeServer, tokenOf } from "./support/server.ts";

const DAY_MS = 24 * 60 * 60 * 1000;

/** A phone's push service in the test's hands. */
class FakePush implements PushSource {
  granted: PushPermission = "undetermined";
  answers: PushPermission = "granted";
  token: PushToken = { kind: "expo", value: "ExponentPushToken[1]" };
  #listener: ((read: () => Promise<PushToken>) => void) | null = null;
  readonly permission = jest.fn(async () => this.granted);
  readonly requestPermission = jest.fn(async () => (this.granted = this.answers));
  readonly getToken = jest.fn(async () => this.token);
  onTokenChange(listener: (read: () => Promise<PushToken>) => void) {
    this.#listener = listener;
    return () => {
      this.#listener = null;
    };
  }
  changes(value: string): void {
    this.token = { ...this.token, value };
    this.#listener?.(async () => this.token);
  }
}

let server: FakeServer;
let push: FakePush;
let storage: MemoryStorage;

beforeEach(() => {
  jest.useFakeTimers();
  controlAppState();
  server = new FakeServer();
  push = new FakePush();
  storage = new MemoryStorage();
});

function Settings() {
  const { status, isBusy, error, deviceId, register, unregister } = usePushRegistration(push);
  return (
    <>
      <Text testID="push">{[status, isBusy && "busy", deviceId, error?.message].filter(Boolean).join(" ")}</Text>
      <Pressable accessibilityRole="button" accessibilityLabel="on" onPress={() => void register()} />
      <Pressable
        accessibilityRole="button"
        accessibilityLabel="off"
        onPress={() => void unregister().catch(() => {})}
      />
    </>
  );
}

const start = (options = {}) => shown(server, <Settings />, { storage, ...options });
const state = () => screen.getByTestId("push").props["children"];
const registrations = () => server.called(/POST \/v1\/devices/).length;
async function press(name: string) {
  await userEvent.setup().press(screen.getByRole("button", { name }));
  await settle();
}

test("nobody is asked before they press something", async () => {
  await start();
  expect(state()).toBe("off");
  expect(push.requestPermission).not.toHaveBeenCalled();
  expect(registrations()).toBe(0);
});

test("a yes registers, and the live connection carries the device from then on", async () => {
  await start();
  await press("on");
  expect(state()).toBe("on dev_expo_ExponentPushToken[1]");
  expect(server.devices.get("dev_expo_ExponentPushToken[1]")).toEqual({ kind: "expo", value: "ExponentPushToken[1]" });
  expect(server.live?.connect?.device).toBe("dev_expo_ExponentPushToken[1]");
});

test("the next start says the device with its first connection, and registers nothing", async () => {
  push.granted = "granted";
  (await start()).unmount();
  await settle();
  server.connections.length = 0;
  await start();
  expect(server.connections.map(({ connect }) => connect?.device)).toEqual(["dev_expo_ExponentPushToken[1]"]);
  expect(registrations()).toBe(1);
});

test("a no is a state, and what the system's settings change is noticed on coming back", async () => {
  push.answers = "denied";
  await start();
  await press("on");
  expect(state()).toBe("denied");
  push.granted = "granted";
  await appGoes("background");
  await appGoes("active");
  expect(state()).toMatch(/^on /);
});

test("permission taken back: the server is told to forget the phone", async () => {
  push.granted = "granted";
  await start();
  push.granted = "denied";
  await appGoes("background");
  await appGoes("active");
  expect(state()).toBe("denied");
  expect(server.devices.size).toBe(0);
  expect(server.live?.connect?.device).toBeUndefined();
});

test("a new token takes the place of the old one", async () => {
  push.granted = "granted";
  await start();
  await happens(() => push.changes("ExponentPushToken[2]"));
  expect([...server.devices.keys()]).toEqual(["dev_expo_ExponentPushToken[2]"]);
  expect(server.live?.connect?.device).toBe("dev_expo_ExponentPushToken[2]");
});

test.each([
  ["6 days are not enough", 6 * DAY_MS, 1],
  ["after 7 days it is registered again", 7 * DAY_MS, 2],
  ["a clock that was set back a day counts as a week", -DAY_MS, 2],
])("%s", async (_name, passedMs, expected) => {
  push.granted = "granted";
  const view = await start();
  view.unmount();
  jest.setSystemTime(Date.now() + passedMs);
  await start();
  expect(registrations()).toBe(expected);
});

test("somebody else signs in on this phone: it is registered for them", async () => {
  push.granted = "granted";
  const view = await start({ userId: "ada" });
  view.again(<Settings />, { userId: "bob", getToken: () => tokenOf("bob") });
  await settle();
  expect(registrations()).toBe(2);
  expect(server.live?.connect?.token).toBe(tokenOf("bob"));
});

test("unregistering removes it, and it stays away for this start", async () => {
  push.granted = "granted";
  await start();
  await press("off");
  expect(state()).toBe("off");
  expect(server.devices.size).toBe(0);
  await appGoes("background");
  await settle(5000);
  await appGoes("active");
  expect(state()).toBe("off");
  await press("on");
  expect(state()).toMatch(/^on /);
});

test("a registration that fails is said, and tried again with the next connection", async () => {
  push.granted = "granted";
  server.refuses = /devices/;
  await start();
  expect(state()).toBe("off no");
  server.refuses = null;
  await appGoes("background");
  await settle(5000);
  await appGoes("active");
  expect(state()).toMatch(/^on dev_expo/);
});

test("it is registered once, whatever happens at the same time", async () => {
  push.granted = "granted";
  await start();
  await happens(() => {
    push.changes(push.token.value);
    push.changes(push.token.value);
  });
  await press("on");
  expect(registrations()).toBe(1);
});

test("without a storage it works for as long as the app runs", async () => {
  push.granted = "granted";
  await start({ storage: null });
  expect(state()).toMatch(/^on dev_expo/);
});

describe("expo-notifications", () => {
  const listeners = new Set<(token: { type: string; data: string }) => void>();
  const permission = { granted: true, status: "granted" };
  const expo = {
    getPermissionsAsync: jest.fn(async () => permission),
    requestPermissionsAsync: jest.fn(async () => permission),
    getDevicePushTokenAsync: jest.fn(async () => ({ type: "android", data: "fcm-1" })),
    getExpoPushTokenAsync: jest.fn(async (_options?: object) => ({ data: "ExponentPushToken[x]" })),
    addPushTokenListener: (listener: (token: { type: string; data: string }) => void) => {
      listeners.add(listener);
      return { remove: () => void listeners.delete(listener) };
    },
  } satisfies ExpoNotificationsLike;
  const tell = (data: string) => {
    for (const listener of [...listeners]) listener({ type: "android", data });
  };

  test("an Expo token, of the project that the app names", async () => {
    expect(await expoPush(expo, { projectId: "p1" }).getToken()).toEqual({
      kind: "expo",
      value: "ExponentPushToken[x]",
    });
    expect(expo.getExpoPushTokenAsync).toHaveBeenCalledWith({
      projectId: "p1",
      devicePushToken: { type: "android", data: "fcm-1" },
    });
  });

  test.each([
    ["android", "fcm_token"],
    ["ios", "apns"],
  ])("the phone's own token: %s gives %s", async (type, kind) => {
    expo.getDevicePushTokenAsync.mockResolvedValueOnce({ type, data: "t" });
    expect(await expoPush(expo, { token: "device" }).getToken()).toEqual({ kind, value: "t" });
  });

  test("a browser's token is refused: there the web package registers", async () => {
    expo.getDevicePushTokenAsync.mockResolvedValueOnce({ type: "web", data: "t" });
    await expect(expoPush(expo, { token: "device" }).getToken()).rejects.toThrow("unknown type web");
  });

  test("a new token is read from what the system tells, never by asking, and the known one is no news", async () => {
    const source = expoPush(expo, { token: "device" });
    await source.getToken();
    const told = jest.fn();
    const end = source.onTokenChange(told);
    tell("fcm-1");
    expect(told).not.toHaveBeenCalled();
    tell("fcm-2");
    expect(await told.mock.lastCall?.[0]()).toEqual({ kind: "fcm_token", value: "fcm-2" });
    expect(expo.getDevicePushTokenAsync).toHaveBeenCalledTimes(1);
    end();
    expect(listeners.size).toBe(0);
  });

  test.each([
    [{ granted: false, status: "undetermined" }, "undetermined"],
    [{ granted: false, status: "denied" }, "denied"],
    [{ granted: false, status: "undetermined", ios: { status: 3 } }, "granted"],
    [{ granted: true, status: "granted" }, "granted"],
  ])("permission %j is %s", async (told, expected) => {
    expo.getPermissionsAsync.mockResolvedValueOnce(told);
    expect(await expoPush(expo).permission()).toBe(expected);
  });
});

describe("@react-native-firebase/messaging", () => {
  const messaging = {
    getMessaging: () => "messaging",
    getToken: jest.fn(async (_: string) => "fcm-1"),
    getAPNSToken: jest.fn(async (_: string): Promise<string | null> => "apns-1"),
    onTokenRefresh: jest.fn((_: string, _listener: (token: string) => void) => () => {}),
    hasPermission: jest.fn(async (_: string) => 1),
    requestPermission: jest.fn(async (_: string) => 1),
    isDeviceRegisteredForRemoteMessages: jest.fn((_: string) => false),
    registerDeviceForRemoteMessages: jest.fn(async (_: string) => {}),
  } satisfies FirebaseMessagingLike<string>;

  afterEach(() => jest.restoreAllMocks());

  test("an FCM token; iOS is registered for remote messages first", async () => {
    expect(await firebasePush(messaging).getToken()).toEqual({ kind: "fcm_token", value: "fcm-1" });
    expect(messaging.registerDeviceForRemoteMessages).toHaveBeenCalledWith("messaging");
  });

  test("an APNs token on iOS, if the app wants that", async () => {
    const source = firebasePush(messaging, { token: "apns" });
    expect(await source.getToken()).toEqual({ kind: "apns", value: "apns-1" });
    messaging.getAPNSToken.mockResolvedValueOnce(null);
    await expect(source.getToken()).rejects.toThrow("no APNs token yet");
  });

  test.each([
    [-1, "undetermined"],
    [0, "denied"],
    [1, "granted"],
    [2, "granted"],
    [3, "granted"],
  ])("iOS permission %i is %s", async (status, expected) => {
    messaging.hasPermission.mockResolvedValueOnce(status);
    expect(await firebasePush(messaging).permission()).toBe(expected);
  });

  test("Android 13 is asked by React Native itself: the library says yes to everything there", async () => {
    jest.replaceProperty(Platform, "OS", "android");
    jest.spyOn(Platform, "Version", "get").mockReturnValue(33);
    const check = jest.spyOn(PermissionsAndroid, "check").mockResolvedValue(false);
    jest.spyOn(PermissionsAndroid, "request").mockResolvedValue("granted");
    const source = firebasePush(messaging, { token: "apns" });
    expect(await source.permission()).toBe("undetermined");
    expect(await source.requestPermission()).toBe("granted");
    expect(check).toHaveBeenCalledWith("android.permission.POST_NOTIFICATIONS");
    expect(await source.getToken()).toEqual({ kind: "fcm_token", value: "fcm-1" });
  });
});
