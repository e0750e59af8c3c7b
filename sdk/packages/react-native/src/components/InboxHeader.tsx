// The top of the inbox: its name and "mark all read".

import { useStrings } from "@heliograph/react/hooks";
import type { ReactNode } from "react";
import { StyleSheet, View } from "react-native";
import { useTheme } from "../theme.tsx";
import { Label } from "./Label.tsx";
import { TextButton } from "./TextButton.tsx";

export interface InboxHeaderProps {
  readonly unread: number;
  readonly onReadAll: () => void;
  /** Stands between the two. */
  readonly children?: ReactNode;
}

export function InboxHeader({ unread, onReadAll, children }: InboxHeaderProps): ReactNode {
  const strings = useStrings();
  const { space } = useTheme();
  return (
    <View style={[styles.header, { paddingHorizontal: space * 1.5, gap: space }]}>
      <Label size="heading" bold accessibilityRole="header" style={styles.name}>
        {strings.notifications}
      </Label>
      {children}
      <TextButton label={strings.markAllRead} onPress={onReadAll} disabled={unread === 0} />
    </View>
  );
}

const styles = StyleSheet.create({
  header: { flexDirection: "row", alignItems: "center", flexWrap: "wrap" },
  name: { flexGrow: 1 },
});
