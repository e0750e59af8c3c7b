// The bell with the number of unread notifications: the same number as on every tab and phone.

import { useStrings, useUnreadCount } from "@heliograph/react/hooks";
import { type ReactNode, useEffect, useRef } from "react";
import { AccessibilityInfo, Pressable, type StyleProp, StyleSheet, View, type ViewStyle } from "react-native";
import { useTheme } from "../theme.tsx";
import { Icon } from "./icons.tsx";
import { Label } from "./Label.tsx";

export interface BellProps {
  /** Usually opens the screen with the `<Inbox/>`. */
  readonly onPress?: (() => void) | undefined;
  /** Greater counts show as "99+". Default 99. */
  readonly max?: number | undefined;
  /** The button's face in your own way. */
  readonly renderBell?: ((state: { readonly unread: number }) => ReactNode) | undefined;
  readonly style?: StyleProp<ViewStyle>;
}

export function Bell({ onPress, max = 99, renderBell, style }: BellProps): ReactNode {
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
      {renderBell?.({ unread }) ?? (
        <>
          <Icon name="bell" color={colors.text} size={24} />
          {unread > 0 && <Badge text={unread > max ? `${max}+` : `${unread}`} />}
        </>
      )}
    </Pressable>
  );
}

function Badge({ text }: { readonly text: string }): ReactNode {
  const { colors } = useTheme();
  return (
    <View style={[styles.badge, { backgroundColor: colors.badge }]} importantForAccessibility="no-hide-descendants">
      <Label size="small" bold maxFontSizeMultiplier={1.6} style={{ color: colors.onBadge }}>
        {text}
      </Label>
    </View>
  );
}

/** Screen readers say the number when it grows; one that shrinks is the person's own doing. */
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
