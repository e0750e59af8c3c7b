import { jsx as _jsx, jsxs as _jsxs } from "react/jsx-runtime";

const NAMES = { "light dark": "Auto", light: "Light", dark: "Dark" };
const THEMES = Object.keys(NAMES);
export function ThemeSwitch({ theme, onTheme }) {
  return _jsxs("fieldset", {
    className: "theme",
    children: [
      _jsx("legend", { className: "hidden", children: "Colours" }),
      THEMES.map((one) =>
        _jsxs(
          "label",
          {
            children: [
              _jsx("input", {
                type: "radio",
                name: "theme",
                className: "hidden",
                checked: one === theme,
                onChange: () => onTheme(one),
              }),
              _jsx("span", { children: NAMES[one] }),
            ],
          },
          one,
        ),
      ),
    ],
  });
}
