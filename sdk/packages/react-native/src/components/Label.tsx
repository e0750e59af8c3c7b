import type { ReactNode } from "react";
import { StyleSheet, Text, type TextProps } from "react-native";
import { type Theme, useTheme } from "../theme.tsx";

export interface LabelProps extends TextProps {
  readonly size?: keyof Theme["fontSize"];
  readonly color?: "text" | "muted" | "accent";
  readonly bold?: boolean;
}

/** Text in the theme's font. It grows with the person's font scale; nothing here has a fixed height. */
export function Label({ size = "body", color = "text", bold = false, style, ...rest }: LabelProps): ReactNode {
  const { colors, fontSize, fontFamily } = useTheme();
  const own = { color: colors[color], fontSize: fontSize[size], ...(fontFamily ? { fontFamily } : {}) };
  return <Text {...rest} style={[own, bold && styles.bold, style]} />;
}

const styles = StyleSheet.create({ bold: { fontWeight: "600" } });
