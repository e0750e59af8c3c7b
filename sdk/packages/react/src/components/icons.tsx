// The few pictures that the components need, drawn in the current colour. Never read out: their buttons have names.

import type { NotificationType } from "@heliograph/client";
import type { ReactNode } from "react";

const PATHS = {
  bell: "M6 9a6 6 0 1 1 12 0c0 5 2 6.5 2.5 7.5h-17C4 15.5 6 14 6 9m4 11a2.2 2.2 0 0 0 4 0",
  check: "m5 12.5 4.5 4.5L19 7.5",
  dot: "M12 8.5a3.5 3.5 0 1 1 0 7 3.5 3.5 0 0 1 0-7",
  archive: "M4 5h16v4H4zm1.5 4v10h13V9M10 13h4",
  unarchive: "M4 5h16v4H4zm1.5 4v10h13V9M12 17v-5m-2.2 2.2L12 12l2.2 2.2",
  settings: "M4 7h9m5 0h2M4 17h2m5 0h9M15.5 4.5v5m-7 5v5",
  back: "M14.5 6 8.5 12l6 6",
  close: "m7 7 10 10M17 7 7 17",
  transactional: "M6.5 8h11l1 12h-13zM9 10V7a3 3 0 0 1 6 0v3",
  alert: "M12 4.5 21 19.5H3zM12 10v4m0 2.8v.2",
  marketing: "M4 10.5v3l3 .5 10 4V6L7 10zm4 3.7 1 4.3h2.2l-.9-3.4M20 10.5v3",
  moon: "M19.5 14A8 8 0 0 1 10 4.5a8 8 0 1 0 9.5 9.5",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name }: { readonly name: IconName }): ReactNode {
  return (
    <svg
      className="hg-icon"
      viewBox="0 0 24 24"
      fill="none"
      stroke="currentColor"
      strokeWidth="1.7"
      strokeLinecap="round"
      strokeLinejoin="round"
      aria-hidden="true"
      focusable="false"
    >
      <path d={PATHS[name]} />
    </svg>
  );
}

export function iconOf(type: NotificationType): IconName {
  return type;
}
