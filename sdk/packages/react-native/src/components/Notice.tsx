// A line above the list that says what is wrong, with what can be done about it. Screen readers say it as it appears.

import { useConnection, useStrings } from "@heliograph/react/hooks";
import { type ReactNode, useEffect } from "react";
import { StyleSheet, View } from "react-native";
import { useTheme } from "../theme.tsx";
import { announce } from "./announce.ts";
import { Label } from "./Label.tsx";
import { TextButton } from "./TextButton.tsx";

export function Notice({
  text,
  onRetry,
}: {
  readonly text: string;
  readonly onRetry?: (() => void) | undefined;
}): ReactNode {
  const { colors, space } = useTheme();
  const strings = useStrings();
  useEffect(() => announce(text), [text]);
  return (
    <View
      accessibilityLiveRegion="polite"
      style={[styles.notice, { backgroundColor: colors.pressed, padding: space, gap: space }]}
    >
      <Label size="small" accessibilityRole="alert" style={styles.text}>
        {text}
      </Label>
      {onRetry && <TextButton label={strings.retry} onPress={onRetry} />}
    </View>
  );
}

/** Says that the list may be old, and why; nothing while it is live or on its way. */
export function ConnectionNotice(): ReactNode {
  const { status } = useConnection();
  const strings = useStrings();
  if (status === "unauthorized") return <Notice text={strings.signedOut} />;
  return status === "offline" || status === "closed" ? <Notice text={strings.offline} /> : null;
}

const styles = StyleSheet.create({
  notice: { flexDirection: "row", alignItems: "center", flexWrap: "wrap" },
  text: { flexShrink: 1 },
});
