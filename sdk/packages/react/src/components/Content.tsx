// What a notification says, the same in the list and in a toast. Everything is a text node; nothing is ever markup.

import type { Notification } from "@heliograph/client";
import type { MouseEvent, ReactNode } from "react";
import { useStrings } from "../hooks/provider.tsx";
import { absoluteTime, relativeTime } from "../hooks/relativeTime.ts";
import { useNow } from "../hooks/useNow.ts";
import { Icon, iconOf } from "./icons.tsx";
import { safeUrl } from "./safeUrl.ts";

export type NotificationClick = (notification: Notification, event: MouseEvent<HTMLElement>) => void;

/** The picture of its type, or its own. */
export function Mark({ notification }: { readonly notification: Notification }): ReactNode {
  const image = safeUrl(notification.imageUrl);
  return (
    <span className="hg-mark" data-type={notification.type}>
      {image ? (
        <img src={image} alt="" loading="lazy" decoding="async" referrerPolicy="no-referrer" />
      ) : (
        <Icon name={iconOf(notification.type)} />
      )}
    </span>
  );
}

export interface OpenProps {
  readonly notification: Notification;
  readonly id?: string;
  readonly tabIndex?: number;
  readonly target?: "_self" | "_blank";
  readonly onOpen: NotificationClick;
}

/** The title as a link to the action URL, or as a button if there is none. Covers the whole card. */
export function Open({ notification, id, tabIndex, target, onOpen }: OpenProps): ReactNode {
  const url = safeUrl(notification.actionUrl);
  const text = notification.title || notification.body;
  const common = { id, tabIndex, className: "hg-open", "data-hg-open": "" };
  if (!url) {
    return (
      <button type="button" {...common} onClick={(event) => onOpen(notification, event)}>
        {text}
      </button>
    );
  }
  return (
    <a
      {...common}
      href={url}
      target={target}
      rel="noopener noreferrer"
      onClick={(event) => onOpen(notification, event)}
    >
      {text}
    </a>
  );
}

/** "5 min. ago", with the whole moment for who hovers or listens. */
export function Age({ at }: { readonly at: string }): ReactNode {
  const strings = useStrings();
  const now = useNow();
  return (
    <time className="hg-age" dateTime={at} title={absoluteTime(at, strings.locale)}>
      {relativeTime(at, now, strings)}
    </time>
  );
}
