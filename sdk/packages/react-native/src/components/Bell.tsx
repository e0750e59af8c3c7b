// The bell with the number of unread notifications: the same number as on every tab and phone.

import { useStrings, useUnreadCount } from "@heliograph/react/hooks";
import { type ReactNode, useEffect, useRef } from "react";
import { AccessibilityInfo, Pressable, type StyleProp, StyleSheet, View, type ViewStyle } from "react-native";
import { useTheme } from "../theme.tsx";
import { Icon } from "./icons.tsx";
import { Label } from "./Label.tsx";

export interface BellProps {
  /** Usually opens the screen with the <Inbox/>. */
  readonly onPress?: (() => void) | undefined;
  /** Stands in place of the drawn bell. */
  readonly icon?: ReactNode;
  readonly style?: StyleProp<ViewStyle>;
}

export function Bell({ onPress, icon, style }: BellProps): ReactNode {
  const unread = useUnreadCount();
  const strings = useStrings();
  const { colors } = useTheme();
  useAnnounced(unread, strings.unread);
  return (
    <Pressable
      accessibilityRole="button"
      accessibilityLabel={strings.bell(unread)}
      onPress={onPress}
      style={({ pressed }) => [styles.bell, pressed && { backgroundColor: colors.pressed }, style]}
    >
      {icon ?? <Icon name="bell" color={colors.text} size={24} />}
      {unread > 0 && <Badge count={unread} />}
    </Pressable>
  );
}

function Badge({ count }: { readonly count: number }): ReactNode {
  const { colors } = useTheme();
  return (
    <View style={[styles.badge, { backgroundColor: colors.badge }]} importantForAccessibility="no-hide-descendants">
      <Label size="small" bold maxFontSizeMultiplier={1.6} style={{ color: colors.onBadge }}>
        {count > 99 ? "99+" : count}
      </Label>
    </View>
  );
}

/** Screen readers say the number when it grows; nothing at the start, or for what was read elsewhere. */
function useAnnounced(unread: number, say: (count: number) => string): void {
  const before = useRef(unread);
  useEffect(() => {
    if (unread > before.current) AccessibilityInfo.announceForAccessibility(say(unread));
    before.current = unread;
  }, [unread, say]);
}

const styles = StyleSheet.create({
  bell: { minWidth: 44, minHeight: 44, alignItems: "center", justifyContent: "center", borderRadius: 22 },
  badge: {
    position: "absolute",
    top: 2,
    end: 0,
    minWidth: 20,
    paddingHorizontal: 5,
    borderRadius: 12,
    alignItems: "center",
  },
});
