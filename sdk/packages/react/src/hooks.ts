// Entry `@heliograph/react/hooks`: provider, hooks and words without the DOM. React Native re-exports it.

export type {
  ConnectionState,
  ConnectionStatus,
  HeliographError,
  InboxFilter,
  InboxSnapshot,
  Notification,
  NotificationType,
  PreferencesSnapshot,
} from "@heliograph/client";
export {
  type GivenClient,
  HeliographProvider,
  type HeliographProviderProps,
  type OwnClient,
  useHeliograph,
  useStrings,
} from "./hooks/provider.tsx";
export { absoluteTime, relativeTime } from "./hooks/relativeTime.ts";
export { de, en, type Strings } from "./hooks/strings.ts";
export {
  type InboxActions,
  type UseNotificationsResult,
  useInboxActions,
  useNotifications,
} from "./hooks/useNotifications.ts";
export { useNow } from "./hooks/useNow.ts";
export {
  type UseConnectionResult,
  type UsePreferencesResult,
  useConnection,
  useNotificationListener,
  usePreferences,
  useUnreadCount,
} from "./hooks/useUser.ts";
export { wants } from "./hooks/wants.ts";
