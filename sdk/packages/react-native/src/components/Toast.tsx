// What has just arrived, for some seconds above everything else. Put it last inside the app's outermost view.

import { type Notification, useInboxActions, useNotificationListener, useStrings } from "@heliograph/react/hooks";
import { type ReactNode, useEffect, useState } from "react";
import { AccessibilityInfo, Linking, Platform, Pressable, StyleSheet, View } from "react-native";
import { useTheme } from "../theme.tsx";
import { IconButton } from "./IconButton.tsx";
import { Label } from "./Label.tsx";

export interface ToastProps {
  /** How long it stays, in milliseconds. Default 6000. */
  readonly durationMs?: number | undefined;
  /** Distance from the top in points: the top inset of the safe area. Default 48. */
  readonly top?: number | undefined;
  /** Called with a toast that was pressed, after it was marked as read. Default: opens its action URL. */
  readonly onPressNotification?: ((notification: Notification) => void) | undefined;
}

export function Toast({ durationMs = 6000, top = 48, onPressNotification }: ToastProps): ReactNode {
  const [shown, setShown] = useState<Notification | null>(null);
  const { read } = useInboxActions();
  useNotificationListener(setShown);
  useEffect(() => {
    if (!shown) return undefined;
    announce(shown);
    const timer = setTimeout(() => setShown(null), durationMs);
    return () => clearTimeout(timer);
  }, [shown, durationMs]);
  if (!shown) return null;
  const open = () => {
    setShown(null);
    void read(shown).catch(() => {}); // it stays unread in the inbox, where it can be read again
    if (onPressNotification) onPressNotification(shown);
    else if (shown.actionUrl) void Linking.openURL(shown.actionUrl).catch(() => {});
  };
  return <Card notification={shown} top={top} onPress={open} onDismiss={() => setShown(null)} />;
}

interface CardProps {
  readonly notification: Notification;
  readonly top: number;
  readonly onPress: () => void;
  readonly onDismiss: () => void;
}

function Card({ notification: { title, body }, top, onPress, onDismiss }: CardProps): ReactNode {
  const { colors, radius, space } = useTheme();
  const strings = useStrings();
  const look = { top, borderRadius: radius, backgroundColor: colors.background, borderColor: colors.line };
  return (
    <View accessibilityLiveRegion="polite" style={[styles.card, look]}>
      <Pressable accessibilityRole="button" onPress={onPress} style={[styles.text, { padding: space * 1.5 }]}>
        <Label bold numberOfLines={2}>
          {title || body}
        </Label>
        {title !== "" && body !== "" && <Label numberOfLines={2}>{body}</Label>}
      </Pressable>
      <IconButton icon="close" label={strings.dismiss} onPress={onDismiss} />
    </View>
  );
}

/** iOS has no live regions. */
function announce({ title, body }: Notification): void {
  if (Platform.OS === "ios") AccessibilityInfo.announceForAccessibility([title, body].filter(Boolean).join(". "));
}

const styles = StyleSheet.create({
  card: {
    position: "absolute",
    start: 12,
    end: 12,
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
