// The bell: unread count on a button, and a panel below it with the inbox.

import {
  type CSSProperties,
  type KeyboardEvent,
  type ReactNode,
  type RefObject,
  useEffect,
  useId,
  useRef,
  useState,
} from "react";
import { useStrings } from "../hooks/provider.tsx";
import { useLatest } from "../hooks/useLatest.ts";
import { useUnreadCount } from "../hooks/useUser.ts";
import { Inbox } from "./Inbox.tsx";
import { Icon } from "./icons.tsx";
import { firstCard } from "./roving.ts";

export interface BellProps {
  /** What the panel shows. Default `<Inbox/>`. */
  readonly children?: ReactNode;
  /** On which side of the bell the panel stands. Default `bottom-end`. */
  readonly placement?: "bottom-start" | "bottom-end";
  /** Greater counts show as "99+". Default 99. */
  readonly max?: number;
  /** The button's face in your own way. */
  readonly renderBell?: (state: { readonly unread: number; readonly isOpen: boolean }) => ReactNode;
  readonly onOpenChange?: (isOpen: boolean) => void;
  readonly className?: string;
  readonly style?: CSSProperties;
}

export function Bell(props: BellProps): ReactNode {
  const { children = <Inbox />, placement = "bottom-end", className = "", style, onOpenChange } = props;
  const strings = useStrings();
  const unread = useUnreadCount();
  const [isOpen, setIsOpen] = useState(false);
  const root = useRef<HTMLDivElement>(null);
  const button = useRef<HTMLButtonElement>(null);
  const id = useId();
  const change = (open: boolean): void => {
    setIsOpen(open);
    onOpenChange?.(open);
  };
  useLeft(root, isOpen, () => change(false));
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key !== "Escape" || !isOpen) return;
    event.stopPropagation();
    change(false);
    button.current?.focus();
  };
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: it only hears Escape of what stands in it
    <div ref={root} className={`hg hg-bell ${className}`} style={style} onKeyDown={onKeyDown}>
      <button
        ref={button}
        type="button"
        className="hg-bell-button"
        aria-label={strings.bell(unread)}
        aria-haspopup="dialog"
        aria-expanded={isOpen}
        aria-controls={isOpen ? id : undefined}
        onClick={() => change(!isOpen)}
      >
        {props.renderBell?.({ unread, isOpen }) ?? <Face unread={unread} max={props.max ?? 99} />}
      </button>
      <Growth unread={unread} />
      {isOpen && (
        <Panel id={id} placement={placement}>
          {children}
        </Panel>
      )}
    </div>
  );
}

function Face({ unread, max }: { readonly unread: number; readonly max: number }): ReactNode {
  return (
    <>
      <Icon name="bell" />
      {unread > 0 && (
        <span key={unread} className="hg-badge" aria-hidden="true">
          {unread > max ? `${max}+` : unread}
        </span>
      )}
    </>
  );
}

/** Says the count when it grows; a count that shrinks is the person's own doing. */
function Growth({ unread }: { readonly unread: number }): ReactNode {
  const strings = useStrings();
  const [said, setSaid] = useState("");
  const [before, setBefore] = useState(unread);
  if (before !== unread) {
    setBefore(unread);
    if (unread > before) setSaid(strings.unread(unread));
  }
  return (
    <span role="status" className="hg-hidden">
      {said}
    </span>
  );
}

interface PanelProps {
  readonly id: string;
  readonly placement: "bottom-start" | "bottom-end";
  readonly children: ReactNode;
}

function Panel({ id, placement, children }: PanelProps): ReactNode {
  const strings = useStrings();
  const panel = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const found = panel.current;
    if (found) (firstCard(found) ?? found).focus();
  }, []);
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key !== "ArrowDown" || event.target !== panel.current) return;
    firstCard(panel.current)?.focus();
    event.preventDefault();
  };
  return (
    <div
      ref={panel}
      id={id}
      role="dialog"
      aria-label={strings.notifications}
      className="hg-panel"
      data-placement={placement}
      tabIndex={-1}
      onKeyDown={onKeyDown}
    >
      {children}
    </div>
  );
}

/** Calls `onLeft` when a press or the focus goes elsewhere. */
function useLeft(root: RefObject<HTMLElement | null>, enabled: boolean, onLeft: () => void): void {
  const latest = useLatest(onLeft);
  useEffect(() => {
    if (!enabled) return undefined;
    const look = (event: Event): void => {
      if (root.current && !event.composedPath().includes(root.current)) latest.current();
    };
    document.addEventListener("pointerdown", look);
    document.addEventListener("focusin", look);
    return () => {
      document.removeEventListener("pointerdown", look);
      document.removeEventListener("focusin", look);
    };
  }, [root, enabled, latest]);
}
