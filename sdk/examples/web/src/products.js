import { Fragment as _Fragment, jsx as _jsx, jsxs as _jsxs } from "react/jsx-runtime";
export const PRODUCTS = [
  {
    name: "Storm lamp",
    text: "Brass and blown glass. Burns for 20 hours.",
    price: "€ 48",
    picture: _jsxs(_Fragment, {
      children: [
        _jsx("circle", { className: "glow", cx: "60", cy: "56", r: "40" }),
        _jsx("path", { className: "metal", d: "M44 30h32l5 9H39zM40 78h40l4 14H36z" }),
        _jsx("path", { className: "glass", d: "M42 39h36c7 14 7 25 0 39H42c-7-14-7-25 0-39" }),
        _jsx("path", { className: "flame", d: "M60 47c9 10 9 22 0 24-9-2-9-14 0-24" }),
        _jsx("path", { className: "line", d: "M48 30c0-20 24-20 24 0" }),
      ],
    }),
  },
  {
    name: "Signal mirror",
    text: "Seen from 30 miles. Needs nothing but sun.",
    price: "€ 32",
    picture: _jsxs(_Fragment, {
      children: [
        _jsx("circle", { className: "glow", cx: "60", cy: "50", r: "40" }),
        _jsx("circle", { className: "metal", cx: "56", cy: "56", r: "27" }),
        _jsx("circle", { className: "glass", cx: "56", cy: "56", r: "21" }),
        _jsx("path", { className: "line", d: "M46 60l14-16M52 66l16-18M56 83v14m-14 0h28" }),
        _jsx("path", { className: "flame", d: "M88 20l-3 9 9-2zM102 44l-12 1 10 7zM66 12l1 11 7-8z" }),
      ],
    }),
  },
  {
    name: "Harbour bell",
    text: "Cast in bronze. Your neighbours will know.",
    price: "€ 86",
    picture: _jsxs(_Fragment, {
      children: [
        _jsx("circle", { className: "glow", cx: "60", cy: "52", r: "40" }),
        _jsx("path", { className: "line", d: "M60 14v12M46 14h28" }),
        _jsx("path", { className: "metal", d: "M60 24c20 0 19 26 22 38 1 6 7 8 7 14H31c0-6 6-8 7-14 3-12 2-38 22-38" }),
        _jsx("path", { className: "line", d: "M44 62c2-9 2-20 8-27" }),
        _jsx("circle", { className: "flame", cx: "60", cy: "83", r: "8" }),
      ],
    }),
  },
];
export function Picture({ product }) {
  return _jsx("svg", {
    className: "picture",
    viewBox: "0 0 120 104",
    "aria-hidden": "true",
    focusable: "false",
    children: product.picture,
  });
}
