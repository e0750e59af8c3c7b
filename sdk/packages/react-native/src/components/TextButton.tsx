import type { ReactNode } from "react";
import { Pressable } from "react-native";
import { useTheme } from "../theme.tsx";
import { Label } from "./Label.tsx";

export interface TextButtonProps {
  readonly label: string;
  readonly onPress: () => void;
  readonly disabled?: boolean;
}

export function TextButton({ label, onPress, disabled = false }: TextButtonProps): ReactNode {
  const { space } = useTheme();
  return (
    <Pressable
      accessibilityRole="button"
      accessibilityState={{ disabled }}
      disabled={disabled}
      onPress={onPress}
      style={({ pressed }) => ({
        minHeight: 44,
        justifyContent: "center",
        paddingHorizontal: space,
        opacity: disabled ? 0.4 : pressed ? 0.6 : 1,
      })}
    >
      <Label color="accent" bold>
        {label}
      </Label>
    </Pressable>
  );
}
