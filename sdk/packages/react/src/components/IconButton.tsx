// A button that shows a picture and says its name.

import { type MouseEvent, type ReactNode, useEffect, useRef } from "react";
import { Icon, type IconName } from "./icons.tsx";

export interface IconButtonProps {
  readonly icon: IconName;
  readonly label: string;
  readonly onClick: (event: MouseEvent<HTMLButtonElement>) => void;
  readonly tabIndex?: number;
  /** Takes the focus when it appears, because what had it has gone. */
  readonly autoFocus?: boolean;
}

export function IconButton({ icon, label, onClick, tabIndex, autoFocus = false }: IconButtonProps): ReactNode {
  const button = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    if (autoFocus) button.current?.focus();
  }, [autoFocus]);
  return (
    <button
      ref={button}
      type="button"
      className="hg-icon-button"
      aria-label={label}
      title={label}
      onClick={onClick}
      tabIndex={tabIndex}
    >
      <Icon name={icon} />
    </button>
  );
}
