// The right-hand side: the shop's back office that sends, the mailbox, and why each went where it went.
import { relativeTime, useNow } from "@heliograph/react";
import { jsx as _jsx, jsxs as _jsxs } from "react/jsx-runtime";
import { PEOPLE, personOf } from "./people.ts";
export function BackOffice({ onSend, failed }) {
  return _jsxs("section", {
    className: "card office",
    "aria-labelledby": "office",
    children: [
      _jsx("h2", { id: "office", children: "The shop sends" }),
      _jsx("table", {
        children: _jsxs("tbody", {
          children: [
            _jsxs("tr", {
              children: [
                _jsxs("th", {
                  scope: "row",
                  children: ["Order confirmed", _jsx("small", { children: "transactional, first of all" })],
                }),
                PEOPLE.map(({ id, name }) =>
                  _jsx(
                    "td",
                    {
                      children: _jsx("button", {
                        type: "button",
                        onClick: () => onSend("order", id),
                        "aria-label": `Confirm an order to ${name}`,
                        children: name,
                      }),
                    },
                    id,
                  ),
                ),
              ],
            }),
            _jsxs("tr", {
              children: [
                _jsxs("th", { scope: "row", children: ["Low stock", _jsx("small", { children: "alert, second" })] }),
                PEOPLE.map(({ id, name }) =>
                  _jsx(
                    "td",
                    {
                      children: _jsx("button", {
                        type: "button",
                        onClick: () => onSend("alert", id),
                        "aria-label": `Raise an alert to ${name}`,
                        children: name,
                      }),
                    },
                    id,
                  ),
                ),
              ],
            }),
            _jsxs("tr", {
              children: [
                _jsxs("th", {
                  scope: "row",
                  children: ["Winter sale", _jsx("small", { children: "marketing, when there is room" })],
                }),
                _jsx("td", {
                  colSpan: 2,
                  children: _jsx("button", {
                    type: "button",
                    onClick: () => onSend("campaign", null),
                    "aria-label": "Start a campaign to both",
                    children: "Both",
                  }),
                }),
              ],
            }),
          ],
        }),
      }),
      _jsx("div", {
        role: "status",
        children: failed && _jsx("p", { className: "failed", children: "That was not sent. Is Heliograph running?" }),
      }),
    ],
  });
}
export function Mailbox({ mails }) {
  const now = useNow();
  return _jsxs("section", {
    className: "card mailbox",
    "aria-labelledby": "mailbox",
    children: [
      _jsxs("h2", {
        id: "mailbox",
        children: ["Mailbox ", _jsx("small", { children: mails.length === 0 ? "" : mails.length })],
      }),
      mails.length === 0 &&
        _jsx("p", { className: "hint", children: "No mail. Everybody is on the page, so nobody needs one." }),
      _jsx("ol", {
        tabIndex: 0,
        "aria-label": "Mails, the newest first",
        children: mails.map((mail) =>
          _jsxs(
            "li",
            {
              children: [
                _jsxs("div", {
                  className: "envelope",
                  children: [
                    _jsx("span", { children: mail.to }),
                    _jsx("time", {
                      dateTime: mail.at,
                      children: relativeTime(mail.at, now, { locale: "en", justNow: "now" }),
                    }),
                  ],
                }),
                _jsx("strong", { children: mail.title }),
                _jsx("p", { children: mail.body }),
              ],
            },
            mail.id,
          ),
        ),
      }),
    ],
  });
}
const TITLES = {
  order: "Order confirmed",
  alert: "Low stock",
  campaign: "Winter sale",
};
const PLACES = { in_app: "Screen", email: "Mail", push: "Push" };
export function Reasons({ sent }) {
  return _jsxs("section", {
    className: "card reasons",
    "aria-labelledby": "reasons",
    children: [
      _jsx("h2", { id: "reasons", children: "Why it went there" }),
      sent.length === 0 &&
        _jsx("p", {
          className: "hint",
          children: "Send something: the delivery router tells what it decided, and why.",
        }),
      _jsx("ol", {
        tabIndex: 0,
        "aria-label": "Sends, the newest first",
        children: sent.map((one) => _jsx(Reason, { sent: one }, one.id)),
      }),
    ],
  });
}
function Reason({ sent: { kind, explanation } }) {
  const decision = explanation?.decisions.at(-1);
  const places = decision?.chosen ?? [];
  return _jsxs("li", {
    "data-kind": kind,
    children: [
      _jsxs("div", {
        className: "what",
        children: [
          _jsx("strong", { children: TITLES[kind] }),
          explanation && _jsxs("span", { children: ["to ", personOf(explanation.user).name] }),
        ],
      }),
      _jsxs("div", {
        className: "where",
        children: [
          places.map((place) =>
            _jsx("span", { className: "place", "data-place": place, children: PLACES[place] ?? place }, place),
          ),
          decision && places.length === 0 && _jsx("span", { className: "place", children: "Inbox only" }),
          _jsx("span", { className: "status", children: explanation?.status ?? "accepted" }),
        ],
      }),
      decision && _jsxs("p", { children: ["because ", decision.because] }),
    ],
  });
}
