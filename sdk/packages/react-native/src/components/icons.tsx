// The few pictures that the components need, drawn with views: no icon font, no SVG library. Never read out: their
// buttons have names.

import type { ReactNode } from "react";
import { View, type ViewStyle } from "react-native";

const STROKE = 2;

/** Each picture's views in a square of 20 points; `line` and `fill` name what takes the colour. */
const SHAPES = {
  bell: [
    {
      line: true,
      left: 4,
      top: 2,
      width: 12,
      height: 13,
      borderTopLeftRadius: 6,
      borderTopRightRadius: 6,
      borderBottomWidth: 0,
    },
    { fill: true, left: 2, top: 14, width: 16, height: STROKE, borderRadius: 1 },
    { fill: true, left: 8, top: 17, width: 4, height: 2, borderBottomLeftRadius: 2, borderBottomRightRadius: 2 },
  ],
  check: [
    {
      line: true,
      left: 7,
      top: 2,
      width: 7,
      height: 13,
      borderTopWidth: 0,
      borderLeftWidth: 0,
      transform: [{ rotate: "45deg" }],
    },
  ],
  dot: [{ fill: true, left: 6, top: 6, width: 8, height: 8, borderRadius: 4 }],
  archive: [
    { line: true, left: 1, top: 3, width: 18, height: 5, borderRadius: 1 },
    { line: true, left: 3, top: 6, width: 14, height: 12, borderRadius: 1 },
    { fill: true, left: 7, top: 11, width: 6, height: STROKE },
  ],
  unarchive: [
    { line: true, left: 3, top: 8, width: 14, height: 10, borderTopWidth: 0 },
    { fill: true, left: 9, top: 3, width: STROKE, height: 10 },
    {
      line: true,
      left: 7,
      top: 3,
      width: 7,
      height: 7,
      borderRightWidth: 0,
      borderBottomWidth: 0,
      transform: [{ rotate: "45deg" }],
    },
  ],
  close: [
    { fill: true, left: 3, top: 9, width: 14, height: STROKE, transform: [{ rotate: "45deg" }] },
    { fill: true, left: 3, top: 9, width: 14, height: STROKE, transform: [{ rotate: "-45deg" }] },
  ],
} satisfies Record<string, readonly Shape[]>;

type Shape = ViewStyle & { readonly line?: true; readonly fill?: true };

export type IconName = keyof typeof SHAPES;

export function Icon({
  name,
  color,
  size = 20,
}: {
  readonly name: IconName;
  readonly color: string;
  readonly size?: number;
}): ReactNode {
  const shapes: readonly Shape[] = SHAPES[name];
  return (
    <View
      style={{ width: 20, height: 20, transform: [{ scale: size / 20 }] }}
      accessibilityElementsHidden
      importantForAccessibility="no-hide-descendants"
      pointerEvents="none"
    >
      {shapes.map(({ line, fill, ...style }) => (
        <View
          key={`${style.left} ${style.top} ${JSON.stringify(style.transform)}`}
          style={[
            { position: "absolute" },
            line && { borderWidth: STROKE, borderColor: color },
            fill && { backgroundColor: color },
            style,
          ]}
        />
      ))}
    </View>
  );
}
