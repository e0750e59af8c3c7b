// Where the phone's push token comes from, as the registration needs it. The sources beside this file make one of what
// the app has; the app hands its library over, so no bundler ever looks for one that isn't installed.

import type { DeviceKind } from "@heliograph/client";

export type PushPermission = "granted" | "denied" | "undetermined";

export interface PushToken {
  readonly kind: Exclude<DeviceKind, "webpush">;
  readonly value: string;
}

export interface PushSource {
  /** Where the permission stands, without asking. */
  permission(): Promise<PushPermission>;
  /** Asks the person; a system that was refused before answers without asking. */
  requestPermission(): Promise<PushPermission>;
  getToken(): Promise<PushToken>;
  /** Tells that the system has a new token; `read` gets it. */
  onTokenChange(listener: (read: () => Promise<PushToken>) => void): () => void;
}
