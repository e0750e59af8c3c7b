// The views of the inbox as tabs.

import { useStrings } from "@heliograph/react/hooks";
import type { ReactNode } from "react";
import { Pressable, StyleSheet, View } from "react-native";
import { useTheme } from "../theme.tsx";
import { Label } from "./Label.tsx";

export type InboxView = "all" | "unread" | "archived";

export interface TabsProps {
  readonly views: readonly InboxView[];
  readonly view: InboxView;
  readonly onView: (view: InboxView) => void;
}

export function Tabs({ views, view, onView }: TabsProps): ReactNode {
  const { colors } = useTheme();
  return (
    <View accessibilityRole="tablist" style={[styles.tabs, { borderBottomColor: colors.line }]}>
      {views.map((one) => (
        <Tab key={one} view={one} selected={one === view} onPress={() => onView(one)} />
      ))}
    </View>
  );
}

interface TabProps {
  readonly view: InboxView;
  readonly selected: boolean;
  readonly onPress: () => void;
}

function Tab({ view, selected, onPress }: TabProps): ReactNode {
  const { colors, space } = useTheme();
  const strings = useStrings();
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
        {strings.views[view]}
      </Label>
    </Pressable>
  );
}

const styles = StyleSheet.create({
  tabs: { flexDirection: "row", flexWrap: "wrap", borderBottomWidth: StyleSheet.hairlineWidth },
  tab: { minHeight: 44, justifyContent: "center", borderBottomWidth: 2 },
});
