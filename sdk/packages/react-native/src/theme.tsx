// How the components look: a light and a dark theme, and what an app changes of them.

import { createContext, type ReactNode, useContext, useMemo } from "react";
import { useColorScheme } from "react-native";

export interface ThemeColors {
  readonly background: string;
  /** Behind what is unread. */
  readonly unread: string;
  /** Behind what is pressed, and behind notices. */
  readonly pressed: string;
  readonly text: string;
  /** Ages, hints, and the text of what was read. */
  readonly muted: string;
  readonly line: string;
  /** What can be pressed, and the mark of what is unread. */
  readonly accent: string;
  readonly badge: string;
  readonly onBadge: string;
}

export interface Theme {
  readonly colors: ThemeColors;
  /** The step of all distances, in points. */
  readonly space: number;
  readonly radius: number;
  /** Sizes in points, before the person's own font scale. */
  readonly fontSize: { readonly small: number; readonly body: number; readonly heading: number };
  /** Default: the system's. */
  readonly fontFamily: string | undefined;
}

const shape = { space: 8, radius: 12, fontSize: { small: 13, body: 15, heading: 20 }, fontFamily: undefined };

export const lightTheme: Theme = {
  ...shape,
  colors: {
    background: "#ffffff",
    unread: "#f2f6ff",
    pressed: "#e6ebf5",
    text: "#16181d",
    muted: "#5c6370",
    line: "#e1e4ea",
    accent: "#1f5fd6",
    badge: "#c62828",
    onBadge: "#ffffff",
  },
};

export const darkTheme: Theme = {
  ...shape,
  colors: {
    background: "#14161a",
    unread: "#1b2230",
    pressed: "#262d3a",
    text: "#f1f3f7",
    muted: "#a3abb9",
    line: "#2c313b",
    accent: "#8ab4ff",
    badge: "#ff8a80",
    onBadge: "#14161a",
  },
};

/** Changes of both themes, and of the colours of each. */
export interface ThemeOptions extends Partial<Omit<Theme, "colors">> {
  readonly light?: Partial<ThemeColors> | undefined;
  readonly dark?: Partial<ThemeColors> | undefined;
  /** Default: as the system is set. */
  readonly scheme?: "light" | "dark" | undefined;
}

const ThemeContext = createContext<ThemeOptions>({});

export function ThemeProvider({
  theme,
  children,
}: {
  readonly theme: ThemeOptions;
  readonly children?: ReactNode;
}): ReactNode {
  return <ThemeContext.Provider value={theme}>{children}</ThemeContext.Provider>;
}

/** The theme in force, for components of the app that stand beside these. */
export function useTheme(): Theme {
  const options = useContext(ThemeContext);
  const system = useColorScheme();
  return useMemo(() => themeOf(options, system === "dark" ? "dark" : "light"), [options, system]);
}

function themeOf({ light, dark, scheme, ...changes }: ThemeOptions, system: "light" | "dark"): Theme {
  const isDark = (scheme ?? system) === "dark";
  const base = isDark ? darkTheme : lightTheme;
  return { ...base, ...changes, colors: { ...base.colors, ...(isDark ? dark : light) } };
}
