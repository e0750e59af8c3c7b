// One person's browser with the shop in it: bell, toasts, inbox and preferences of @heliograph/react, signed in as them.
import { Bell, HeliographProvider, Inbox, Preferences, Toasts, useConnection } from "@heliograph/react";
import { useCallback } from "react";
import { jsx as _jsx, jsxs as _jsxs } from "react/jsx-runtime";
import { userToken } from "./backEnd.ts";
import { Picture, PRODUCTS } from "./products.tsx";

const CATEGORIES = [
  { id: "stock", label: "Low stock", description: "When something you watch is nearly gone." },
  { id: "marketing", label: "News and offers", description: "Four letters a year, at most." },
];
export function Window({ person, online, onOnline, onSend }) {
  const getToken = useCallback(() => userToken(person.id), [person.id]);
  return _jsx(HeliographProvider, {
    baseUrl: location.origin,
    userId: person.id,
    getToken: getToken,
    enabled: online,
    children: _jsxs("article", {
      className: "window",
      "aria-label": `${person.name}'s browser`,
      "data-person": person.id,
      "data-online": online,
      children: [
        _jsxs("header", {
          className: "bar",
          children: [
            _jsx("span", { className: "avatar", "aria-hidden": "true", children: person.name[0] }),
            _jsx("h2", { children: person.name }),
            _jsx(Presence, {}),
            _jsxs("label", {
              className: "presence-switch",
              children: [
                _jsx("span", { children: online ? "Online" : "Offline" }),
                _jsx("input", {
                  type: "checkbox",
                  role: "switch",
                  "aria-label": `${person.name} has the shop open`,
                  checked: online,
                  onChange: (event) => onOnline(event.currentTarget.checked),
                }),
              ],
            }),
          ],
        }),
        _jsx(Shop, { onSend: onSend }),
        _jsx(Toasts, {}),
        !online && _jsx(Away, { person: person, onBack: () => onOnline(true) }),
      ],
    }),
  });
}
function Presence() {
  const { status } = useConnection();
  return _jsx("span", { className: "status", children: status === "closed" || status === "idle" ? "" : status });
}
function Shop({ onSend }) {
  const toShop = useCallback((_, event) => event.preventDefault(), []);
  return _jsxs("div", {
    className: "shop",
    children: [
      _jsxs("nav", {
        children: [
          _jsx("strong", { children: "Lumen & Lee" }),
          _jsx(Bell, {
            children: _jsx(Inbox, {
              onNotificationClick: toShop,
              preferences: _jsx(Preferences, { categories: CATEGORIES, channels: ["in_app", "email"] }),
            }),
          }),
        ],
      }),
      _jsx("p", { className: "claim", children: "Light for long nights." }),
      _jsx("ul", {
        className: "products",
        children: PRODUCTS.map((product) =>
          _jsxs(
            "li",
            {
              children: [
                _jsx(Picture, { product: product }),
                _jsxs("div", {
                  children: [_jsx("h3", { children: product.name }), _jsx("p", { children: product.text })],
                }),
                _jsxs("div", {
                  className: "buy",
                  children: [
                    _jsx("span", { children: product.price }),
                    _jsx("button", {
                      type: "button",
                      onClick: () => onSend("order", product.name),
                      "aria-label": `Order: ${product.name}`,
                      children: "Order",
                    }),
                  ],
                }),
              ],
            },
            product.name,
          ),
        ),
      }),
    ],
  });
}
function Away({ person, onBack }) {
  return _jsxs("div", {
    className: "away",
    children: [
      _jsxs("p", {
        children: [
          _jsxs("strong", { children: [person.name, " has left."] }),
          "What is sent now goes to ",
          person.address,
          ", and waits in the inbox.",
        ],
      }),
      _jsx("button", { type: "button", onClick: onBack, children: "Come back" }),
    ],
  });
}
