import type { ReactNode } from "react";
import { Pressable } from "react-native";
import { useTheme } from "../theme.tsx";
import { Icon, type IconName } from "./icons.tsx";

export interface IconButtonProps {
  readonly icon: IconName;
  readonly label: string;
  readonly onPress: () => void;
}

/** A button that shows a picture and says its name, with the 44 points that a finger needs. */
export function IconButton({ icon, label, onPress }: IconButtonProps): ReactNode {
  const { colors, radius } = useTheme();
  return (
    <Pressable
      accessibilityRole="button"
      accessibilityLabel={label}
      onPress={onPress}
      style={({ pressed }) => ({
        minWidth: 44,
        minHeight: 44,
        alignItems: "center",
        justifyContent: "center",
        borderRadius: radius,
        backgroundColor: pressed ? colors.pressed : undefined,
      })}
    >
      <Icon name={icon} color={colors.muted} />
    </Pressable>
  );
}
