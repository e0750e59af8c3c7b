// Toasts: what arrives while the page is looked at, for some seconds. It stays in the inbox all the same.

import type { Notification } from "@heliograph/client";
import {
  type CSSProperties,
  type KeyboardEvent,
  type MouseEvent,
  type ReactNode,
  useCallback,
  useEffect,
  useState,
} from "react";
import { useStrings } from "../hooks/provider.tsx";
import { useInboxActions } from "../hooks/useNotifications.ts";
import { useNotificationListener } from "../hooks/useUser.ts";
import { Mark, type NotificationClick, Open } from "./Content.tsx";
import { IconButton } from "./IconButton.tsx";

export interface ToastsProps {
  /** How long one stays, in milliseconds; it waits while the pointer or the focus is on it. Default 7000. */
  readonly durationMs?: number;
  /** How many are shown at once; the oldest makes room. Default 3. */
  readonly max?: number;
  readonly placement?: "top-start" | "top-end" | "bottom-start" | "bottom-end";
  /** Which ones to show. Default all. */
  readonly filter?: (notification: Notification) => boolean;
  readonly onNotificationClick?: NotificationClick;
  readonly linkTarget?: "_self" | "_blank";
  /** The toast's picture and text in your own way. */
  readonly renderToast?: (notification: Notification) => ReactNode;
  readonly className?: string;
  readonly style?: CSSProperties;
}

export function Toasts(props: ToastsProps): ReactNode {
  const { max = 3, filter, placement = "top-end", className = "", style } = props;
  const strings = useStrings();
  const [shown, setShown] = useState<readonly Notification[]>([]);
  useNotificationListener((notification) => {
    if (document.visibilityState === "hidden" || (filter && !filter(notification))) return;
    setShown((before) => [...before, notification].slice(-max));
  });
  const dismiss = useCallback((id: string) => setShown((before) => before.filter((one) => one.id !== id)), []);
  return (
    <div className={`hg hg-toasts ${className}`} style={style} data-placement={placement}>
      <ol aria-label={strings.toasts} aria-live="polite" aria-relevant="additions">
        {shown.map((notification) => (
          <Toast key={notification.id} {...props} notification={notification} onDismiss={dismiss} />
        ))}
      </ol>
    </div>
  );
}

interface ToastProps extends ToastsProps {
  readonly notification: Notification;
  readonly onDismiss: (id: string) => void;
}

function Toast({ notification, onDismiss, durationMs = 7000, ...props }: ToastProps): ReactNode {
  const strings = useStrings();
  const { read } = useInboxActions();
  const [held, setHeld] = useState(false);
  const { id } = notification;
  useEffect(() => {
    if (held) return undefined;
    const timer = setTimeout(() => onDismiss(id), durationMs);
    return () => clearTimeout(timer);
  }, [held, id, durationMs, onDismiss]);
  const open = (one: Notification, event: MouseEvent<HTMLElement>): void => {
    props.onNotificationClick?.(one, event);
    read(one).catch(ignore); // it stays unread in the inbox, which says why
    onDismiss(id);
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key === "Escape") onDismiss(id);
  };
  return (
    <li
      className="hg-toast"
      data-type={notification.type}
      data-hg-id={id}
      onPointerEnter={() => setHeld(true)}
      onPointerLeave={() => setHeld(false)}
      onFocus={() => setHeld(true)}
      onBlur={() => setHeld(false)}
      onKeyDown={onKeyDown}
    >
      {props.renderToast?.(notification) ?? (
        <>
          <Mark notification={notification} />
          <div className="hg-text">
            <div className="hg-title">
              <Open notification={notification} target={props.linkTarget ?? "_self"} onOpen={open} />
            </div>
            {notification.title && notification.body && <p className="hg-body">{notification.body}</p>}
          </div>
        </>
      )}
      <IconButton icon="close" label={strings.dismiss} onClick={() => onDismiss(id)} />
    </li>
  );
}

function ignore(): void {}
