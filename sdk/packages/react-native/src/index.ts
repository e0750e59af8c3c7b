// Entry `@heliograph/react-native`: the hooks of `@heliograph/react`, the phone's provider, the components, the push
// registration.

export type * from "@heliograph/react/hooks";
export {
  absoluteTime,
  de,
  en,
  relativeTime,
  useConnection,
  useHeliograph,
  useInboxActions,
  useNotificationListener,
  useNotifications,
  useNow,
  usePreferences,
  useStrings,
  useUnreadCount,
  wants,
} from "@heliograph/react/hooks";
export { Bell, type BellProps } from "./components/Bell.tsx";
export { Inbox, type InboxProps } from "./components/Inbox.tsx";
export { type PreferenceCategory, Preferences, type PreferencesProps } from "./components/Preferences.tsx";
export type { InboxView } from "./components/Tabs.tsx";
export { Toasts, type ToastsProps } from "./components/Toasts.tsx";
export { type NativeEnvironmentOptions, type NetInfoLike, nativeEnvironment } from "./environment.ts";
export {
  HeliographProvider,
  type HeliographProviderProps,
  type NativeGivenClient,
  type NativeOwnClient,
} from "./provider.tsx";
export { type ExpoNotificationsLike, type ExpoPushOptions, expoPush } from "./push/expo.ts";
export { type FirebaseMessagingLike, type FirebasePushOptions, firebasePush } from "./push/firebase.ts";
export type { PushState, PushStatus } from "./push/registration.ts";
export type { PushPermission, PushSource, PushToken } from "./push/source.ts";
export { type UsePushRegistrationResult, usePushRegistration } from "./push/usePushRegistration.ts";
export { type AsyncStorageLike, keyValueStorage, type MmkvLike, type NativeStorage } from "./storage.ts";
export { darkTheme, lightTheme, type Theme, type ThemeColors, type ThemeOptions, useTheme } from "./theme.tsx";
