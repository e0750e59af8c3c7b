// The page: two people with the shop open, and beside them what the shop sends and where it went.
import { useCallback, useEffect, useState } from "react";
import { jsx as _jsx, jsxs as _jsxs } from "react/jsx-runtime";
import { BackOffice, Mailbox, Reasons } from "./Panels.tsx";
import { PEOPLE } from "./people.ts";
import { PRODUCTS } from "./products.tsx";
import { Steps } from "./Steps.tsx";
import { ThemeSwitch } from "./ThemeSwitch.tsx";
import { Window } from "./Window.tsx";
import { useMails, useSends } from "./watching.ts";
export function Demo() {
  const [online, setOnline] = useState({ "demo-ada": true, "demo-grace": true });
  const [theme, setTheme] = useState("light dark");
  const [failed, setFailed] = useState(false);
  useEffect(() => {
    document.documentElement.style.colorScheme = theme;
  }, [theme]);
  const mails = useMails();
  const { sent, start } = useSends();
  const onSend = useCallback(
    (kind, to, product = anyProduct()) => {
      start(kind, to, product).then(
        () => setFailed(false),
        () => setFailed(true),
      );
    },
    [start],
  );
  return _jsxs("div", {
    className: "demo",
    children: [
      _jsxs("header", {
        className: "top",
        children: [
          _jsx(Logo, {}),
          _jsxs("h1", {
            children: [
              "Heliograph ",
              _jsx("span", { children: "On the screen of who is there. In the mailbox of who is not." }),
            ],
          }),
          _jsx(ThemeSwitch, { theme: theme, onTheme: setTheme }),
        ],
      }),
      _jsx(Steps, { sent: sent, mails: mails, everybodyIsBack: Object.values(online).every(Boolean) }),
      _jsxs("main", {
        children: [
          PEOPLE.map((person) =>
            _jsx(
              Window,
              {
                person: person,
                online: online[person.id],
                onOnline: (is) => setOnline((before) => ({ ...before, [person.id]: is })),
                onSend: (kind, product) => onSend(kind, person.id, product),
              },
              person.id,
            ),
          ),
          _jsxs("div", {
            className: "side",
            children: [
              _jsx(BackOffice, { onSend: (kind, to) => onSend(kind, to), failed: failed }),
              _jsx(Mailbox, { mails: mails }),
              _jsx(Reasons, { sent: sent }),
            ],
          }),
        ],
      }),
    ],
  });
}
function anyProduct() {
  return PRODUCTS[Math.floor(Math.random() * PRODUCTS.length)]?.name ?? "Storm lamp";
}
function Logo() {
  return _jsxs("svg", {
    className: "logo",
    viewBox: "0 0 32 32",
    "aria-hidden": "true",
    focusable: "false",
    children: [
      _jsx("circle", { cx: "14", cy: "18", r: "7.5" }),
      _jsx("path", { d: "m19.500 12.500 8-8M22.500 17H29M15 9.500V3" }),
    ],
  });
}
