// What the shop sells, with a drawing each.

import type { ReactNode } from "react";

export interface Product {
  readonly name: string;
  readonly text: string;
  readonly price: string;
  readonly picture: ReactNode;
}

export const PRODUCTS: readonly Product[] = [
  {
    name: "Storm lamp",
    text: "Brass and blown glass. Burns for 20 hours.",
    price: "€ 48",
    picture: (
      <>
        <circle className="glow" cx="60" cy="56" r="40" />
        <path className="metal" d="M44 30h32l5 9H39zM40 78h40l4 14H36z" />
        <path className="glass" d="M42 39h36c7 14 7 25 0 39H42c-7-14-7-25 0-39" />
        <path className="flame" d="M60 47c9 10 9 22 0 24-9-2-9-14 0-24" />
        <path className="line" d="M48 30c0-20 24-20 24 0" />
      </>
    ),
  },
  {
    name: "Signal mirror",
    text: "Seen from 30 miles. Needs nothing but sun.",
    price: "€ 32",
    picture: (
      <>
        <circle className="glow" cx="60" cy="50" r="40" />
        <circle className="metal" cx="56" cy="56" r="27" />
        <circle className="glass" cx="56" cy="56" r="21" />
        <path className="line" d="M46 60l14-16M52 66l16-18M56 83v14m-14 0h28" />
        <path className="flame" d="M88 20l-3 9 9-2zM102 44l-12 1 10 7zM66 12l1 11 7-8z" />
      </>
    ),
  },
  {
    name: "Harbour bell",
    text: "Cast in bronze. Your neighbours will know.",
    price: "€ 86",
    picture: (
      <>
        <circle className="glow" cx="60" cy="52" r="40" />
        <path className="line" d="M60 14v12M46 14h28" />
        <path className="metal" d="M60 24c20 0 19 26 22 38 1 6 7 8 7 14H31c0-6 6-8 7-14 3-12 2-38 22-38" />
        <path className="line" d="M44 62c2-9 2-20 8-27" />
        <circle className="flame" cx="60" cy="83" r="8" />
      </>
    ),
  },
  {
    name: "Star chart",
    text: "The northern sky, on cloth. Folds to a pocket.",
    price: "€ 24",
    picture: (
      <>
        <circle className="glow" cx="60" cy="52" r="40" />
        <path className="metal" d="M28 26l22-8 20 8 22-8v60l-22 8-20-8-22 8z" />
        <path className="glass" d="M50 18l20 8v60l-20-8z" />
        <path className="line" d="M36 66l10-22 16 8 10-18 12 6" />
        <path
          className="flame"
          d="M46 38l2 5 5 1-4 3 1 5-4-3-5 3 2-5-4-3h5zM73 28l2 5 5 1-4 3 1 5-4-3-5 3 2-5-4-3h5z"
        />
      </>
    ),
  },
];

export function Picture({ product }: { readonly product: Product }): ReactNode {
  return (
    <svg className="picture" viewBox="0 0 120 104" aria-hidden="true" focusable="false">
      {product.picture}
    </svg>
  );
}
