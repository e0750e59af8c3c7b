// The top of the inbox: its name, "mark all read", and the views as tabs.

import { useStrings } from "@heliograph/react/hooks";
import type { ReactNode } from "react";
import { Pressable, StyleSheet, View } from "react-native";
import { useTheme } from "../theme.tsx";
import { Label } from "./Label.tsx";
import { TextButton } from "./TextButton.tsx";

export type InboxView = "all" | "unread" | "archived";

export interface InboxHeaderProps {
  readonly views: readonly InboxView[];
  readonly view: InboxView;
  readonly onView: (view: InboxView) => void;
  readonly unread: number;
  readonly onReadAll: () => void;
}

export function InboxHeader({ views, view, onView, unread, onReadAll }: InboxHeaderProps): ReactNode {
  const strings = useStrings();
  const { colors, space } = useTheme();
  return (
    <View style={{ borderBottomColor: colors.line, borderBottomWidth: StyleSheet.hairlineWidth, padding: space }}>
      <View style={styles.line}>
        <Label size="heading" bold accessibilityRole="header">
          {strings.notifications}
        </Label>
        <TextButton label={strings.markAllRead} onPress={onReadAll} disabled={unread === 0} />
      </View>
      {views.length > 1 && (
        <View style={styles.tabs} accessibilityRole="tablist">
          {views.map((one) => (
            <Tab key={one} label={strings.views[one]} selected={one === view} onPress={() => onView(one)} />
          ))}
        </View>
      )}
    </View>
  );
}

function Tab({
  label,
  selected,
  onPress,
}: {
  readonly label: string;
  readonly selected: boolean;
  readonly onPress: () => void;
}): ReactNode {
  const { colors, space } = useTheme();
  return (
    <Pressable
      accessibilityRole="tab"
      accessibilityState={{ selected }}
      onPress={onPress}
      style={[
        styles.tab,
        { paddingHorizontal: space * 1.5, borderBottomColor: selected ? colors.accent : "transparent" },
      ]}
    >
      <Label size="small" bold={selected} color={selected ? "accent" : "muted"}>
        {label}
      </Label>
    </Pressable>
  );
}

const styles = StyleSheet.create({
  line: { flexDirection: "row", alignItems: "center", justifyContent: "space-between", flexWrap: "wrap" },
  tabs: { flexDirection: "row", flexWrap: "wrap" },
  tab: { minHeight: 44, justifyContent: "center", borderBottomWidth: 2 },
});
