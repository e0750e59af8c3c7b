// Expo's tree is too large for the workspace, so here stands what the demo uses of it, as version 57 declares it. With
// Expo installed, `npm run types` checks the demo against Expo itself.

declare module "expo" {
  export function registerRootComponent(component: import("react").ComponentType): void;
}

declare module "expo-status-bar" {
  export function StatusBar(props: { style?: "auto" | "inverted" | "light" | "dark" }): import("react").ReactNode;
}

declare module "react-native-safe-area-context" {
  export function SafeAreaProvider(props: import("react").PropsWithChildren): import("react").ReactNode;
  export function useSafeAreaInsets(): { top: number; bottom: number; left: number; right: number };
}

declare module "expo-notifications" {
  interface Permissions {
    granted: boolean;
    status: "granted" | "undetermined" | "denied";
    ios?: { status: 0 | 1 | 2 | 3 | 4 };
  }
  // biome-ignore lint/suspicious/noExplicitAny: so it is there
  type DevicePushToken = { type: "ios" | "android"; data: string } | { type: "web" | "windows" | "macos"; data: any };
  export function getPermissionsAsync(): Promise<Permissions>;
  export function requestPermissionsAsync(): Promise<Permissions>;
  export function getDevicePushTokenAsync(): Promise<DevicePushToken>;
  export function getExpoPushTokenAsync(options?: {
    projectId?: string;
    devicePushToken?: DevicePushToken;
  }): Promise<{ type: "expo"; data: string }>;
  export function addPushTokenListener(listener: (token: DevicePushToken) => void): { remove(): void };
}
