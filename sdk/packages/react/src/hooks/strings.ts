// Every word that the components say, as one typed dictionary. A translation is another object of the same type.

import type { Channel } from "@heliograph/client";

export interface Strings {
  /** BCP 47 tag for dates and plurals: `en`, `de-CH`. */
  readonly locale: string;
  readonly notifications: string;
  /** The bell's name for screen readers. */
  readonly bell: (unread: number) => string;
  /** Said by screen readers when the count grows. */
  readonly unread: (count: number) => string;
  readonly markAllRead: string;
  readonly markRead: string;
  readonly markUnread: string;
  readonly archive: string;
  readonly unarchive: string;
  readonly views: Readonly<Record<"all" | "unread" | "archived", string>>;
  readonly empty: Readonly<Record<"all" | "unread" | "archived", string>>;
  readonly loading: string;
  readonly loadMore: string;
  readonly loadFailed: string;
  readonly actionFailed: string;
  readonly retry: string;
  readonly offline: string;
  readonly signedOut: string;
  readonly unreadItem: string;
  readonly preferences: string;
  readonly allNotifications: string;
  readonly allNotificationsHint: string;
  readonly channels: Readonly<Record<Channel, string>>;
  readonly back: string;
  readonly dismiss: string;
  readonly toasts: string;
  readonly justNow: string;
}

export const en: Strings = {
  locale: "en",
  notifications: "Notifications",
  bell: (unread) => (unread ? `Notifications, ${unread} unread` : "Notifications"),
  unread: (count) => (count === 1 ? "1 unread notification" : `${count} unread notifications`),
  markAllRead: "Mark all read",
  markRead: "Mark as read",
  markUnread: "Mark as unread",
  archive: "Archive",
  unarchive: "Move back to the inbox",
  views: { all: "Inbox", unread: "Unread", archived: "Archived" },
  empty: {
    all: "Nothing here yet. What concerns you will appear in this place.",
    unread: "You have read everything.",
    archived: "Nothing is archived.",
  },
  loading: "Loading",
  loadMore: "Load more",
  loadFailed: "That could not be loaded.",
  actionFailed: "That could not be saved, and was undone.",
  retry: "Try again",
  offline: "You are offline. What is new appears when you are back.",
  signedOut: "Sign in again to see what is new.",
  unreadItem: "Unread",
  preferences: "Preferences",
  allNotifications: "Everything",
  allNotificationsHint: "Receipts and security messages always reach you.",
  channels: { in_app: "On screen", push: "Push", email: "E-mail" },
  back: "Back",
  dismiss: "Dismiss",
  toasts: "New notifications",
  justNow: "now",
};

export const de: Strings = {
  locale: "de",
  notifications: "Mitteilungen",
  bell: (unread) => (unread ? `Mitteilungen, ${unread} ungelesen` : "Mitteilungen"),
  unread: (count) => (count === 1 ? "1 ungelesene Mitteilung" : `${count} ungelesene Mitteilungen`),
  markAllRead: "Alle gelesen",
  markRead: "Als gelesen markieren",
  markUnread: "Als ungelesen markieren",
  archive: "Archivieren",
  unarchive: "Zurück in den Eingang",
  views: { all: "Eingang", unread: "Ungelesen", archived: "Archiv" },
  empty: {
    all: "Noch nichts da. Was Sie betrifft, erscheint hier.",
    unread: "Sie haben alles gelesen.",
    archived: "Nichts archiviert.",
  },
  loading: "Wird geladen",
  loadMore: "Mehr laden",
  loadFailed: "Das konnte nicht geladen werden.",
  actionFailed: "Das konnte nicht gespeichert werden und wurde zurückgenommen.",
  retry: "Noch einmal versuchen",
  offline: "Sie sind offline. Neues erscheint, sobald Sie zurück sind.",
  signedOut: "Melden Sie sich neu an, um Neues zu sehen.",
  unreadItem: "Ungelesen",
  preferences: "Einstellungen",
  allNotifications: "Alles",
  allNotificationsHint: "Quittungen und Sicherheitshinweise erreichen Sie immer.",
  channels: { in_app: "Am Bildschirm", push: "Push", email: "E-Mail" },
  back: "Zurück",
  dismiss: "Schließen",
  toasts: "Neue Mitteilungen",
  justNow: "gerade eben",
};
