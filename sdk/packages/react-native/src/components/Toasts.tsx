// Toasts: what arrives while the app is looked at, for some seconds above everything else. It stays in the inbox all the
// same. Put it last inside the app's outermost view.

import { type Notification, useInboxActions, useNotificationListener, useStrings } from "@heliograph/react/hooks";
import { type ReactNode, useCallback, useEffect, useState } from "react";
import { AppState, Pressable, StyleSheet, View } from "react-native";
import { useTheme } from "../theme.tsx";
import { announce } from "./announce.ts";
import { IconButton } from "./IconButton.tsx";
import { Label } from "./Label.tsx";
import { openUrl } from "./openUrl.ts";

export interface ToastsProps {
  /** How long one stays, in milliseconds. Default 7000. */
  readonly durationMs?: number | undefined;
  /** How many are shown at once; the oldest makes room. Default 3. */
  readonly max?: number | undefined;
  /** Distance from the top in points: the top inset of the safe area. Default 48. */
  readonly top?: number | undefined;
  /** Which ones to show. Default all. */
  readonly filter?: ((notification: Notification) => boolean) | undefined;
  /** Called with one that was pressed, in place of opening its action URL. */
  readonly onNotificationPress?: ((notification: Notification) => void) | undefined;
}

export function Toasts(props: ToastsProps): ReactNode {
  const { max = 3, top = 48, filter } = props;
  const [shown, setShown] = useState<readonly Notification[]>([]);
  useNotificationListener((notification) => {
    if (AppState.currentState === "background" || (filter && !filter(notification))) return;
    announce(notification.title, notification.body);
    setShown((before) => [...before, notification].slice(-max));
  });
  const dismiss = useCallback((id: string) => setShown((before) => before.filter((one) => one.id !== id)), []);
  return (
    <View style={[styles.toasts, { top }]} pointerEvents="box-none">
      {shown.map((notification) => (
        <Toast key={notification.id} {...props} notification={notification} onDismiss={dismiss} />
      ))}
    </View>
  );
}

interface ToastProps extends ToastsProps {
  readonly notification: Notification;
  readonly onDismiss: (id: string) => void;
}

function Toast({ notification, onDismiss, durationMs = 7000, onNotificationPress }: ToastProps): ReactNode {
  const { id, title, body } = notification;
  const strings = useStrings();
  const { colors, radius, space } = useTheme();
  const { read } = useInboxActions();
  useEffect(() => {
    const timer = setTimeout(() => onDismiss(id), durationMs);
    return () => clearTimeout(timer);
  }, [id, durationMs, onDismiss]);
  const open = () => {
    onDismiss(id);
    read(notification).catch(ignore); // it stays unread in the inbox, which says why
    if (onNotificationPress) onNotificationPress(notification);
    else openUrl(notification.actionUrl).catch(ignore); // no app for it; the inbox has it too
  };
  const look = { borderRadius: radius, backgroundColor: colors.background, borderColor: colors.line };
  return (
    <View style={[styles.toast, look]} accessibilityLiveRegion="polite">
      <Pressable accessibilityRole="button" onPress={open} style={[styles.text, { padding: space * 1.5 }]}>
        <Label bold numberOfLines={2}>
          {title || body}
        </Label>
        {title !== "" && body !== "" && <Label numberOfLines={2}>{body}</Label>}
      </Pressable>
      <IconButton icon="close" label={strings.dismiss} onPress={() => onDismiss(id)} />
    </View>
  );
}

function ignore(): void {}

const styles = StyleSheet.create({
  toasts: { position: "absolute", start: 12, end: 12, gap: 8 },
  toast: {
    flexDirection: "row",
    alignItems: "center",
    borderWidth: StyleSheet.hairlineWidth,
    elevation: 6,
    shadowOpacity: 0.2,
    shadowRadius: 8,
    shadowOffset: { width: 0, height: 2 },
  },
  text: { flex: 1 },
});
