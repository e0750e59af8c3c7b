// The minute's tour: four things to try, each ticked when it was seen to happen.
import { useState } from "react";
import { jsx as _jsx, jsxs as _jsxs } from "react/jsx-runtime";
export function Steps({ sent, mails, everybodyIsBack }) {
  const now = [
    sent.some((one) => chosen(one).includes("in_app")),
    sent.some((one) => chosen(one).includes("email")),
    mails.length > 0,
    mails.length > 0 && everybodyIsBack,
  ];
  const [done, setDone] = useState(now);
  const next = done.map((before, index) => before || now[index] === true);
  if (next.some((value, index) => value !== done[index])) setDone(next);
  return _jsxs("ol", {
    className: "steps",
    children: [
      _jsx(Step, { done: done[0], children: "Order something as Ada. She is on the page, so it appears there." }),
      _jsx(Step, { done: done[1], children: "Switch Ada offline and confirm another order." }),
      _jsx(Step, { done: done[2], children: "Nobody was on the page: it came as a mail." }),
      _jsx(Step, { done: done[3], children: "Switch her back online. It waits in her inbox too." }),
    ],
  });
}
function chosen(one) {
  return one.explanation?.decisions.flatMap((decision) => decision.chosen) ?? [];
}
function Step({ done = false, children }) {
  return _jsxs("li", {
    "data-done": done,
    children: [children, done && _jsx("span", { className: "hidden", children: " (done)" })],
  });
}
