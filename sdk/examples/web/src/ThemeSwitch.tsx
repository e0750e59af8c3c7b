// Light, dark, or as the person's system has it: the components follow the page's `color-scheme`.

import type { ReactNode } from "react";

export type Theme = "light dark" | "light" | "dark";

const NAMES: Readonly<Record<Theme, string>> = { "light dark": "Auto", light: "Light", dark: "Dark" };
const THEMES = Object.keys(NAMES) as Theme[];

export interface ThemeSwitchProps {
  readonly theme: Theme;
  readonly onTheme: (theme: Theme) => void;
}

export function ThemeSwitch({ theme, onTheme }: ThemeSwitchProps): ReactNode {
  return (
    <fieldset className="theme">
      <legend className="hidden">Colours</legend>
      {THEMES.map((one) => (
        <label key={one}>
          <input type="radio" name="theme" className="hidden" checked={one === theme} onChange={() => onTheme(one)} />
          <span>{NAMES[one]}</span>
        </label>
      ))}
    </fieldset>
  );
}
