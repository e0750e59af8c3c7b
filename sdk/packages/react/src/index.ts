// Entry `@heliograph/react`: the hooks, and the components made of them for the web.

export { Bell, type BellProps } from "./components/Bell.tsx";
export type { NotificationClick } from "./components/Content.tsx";
export { Inbox, type InboxProps, type InboxView } from "./components/Inbox.tsx";
export { type PreferenceCategory, Preferences, type PreferencesProps } from "./components/Preferences.tsx";
export { Toasts, type ToastsProps } from "./components/Toasts.tsx";
export * from "./hooks.ts";
export {
  type PushRegistrationOptions,
  type PushStatus,
  type UsePushRegistrationResult,
  usePushRegistration,
} from "./push/usePushRegistration.ts";
