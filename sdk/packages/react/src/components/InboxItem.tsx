// One notification of the list: a card that is one stop of the Tab key, with its buttons as the next.

import type { Notification } from "@heliograph/client";
import { memo, type ReactNode, useId } from "react";
import { useStrings } from "../hooks/provider.tsx";
import { useInboxActions } from "../hooks/useNotifications.ts";
import { Age, Mark, type NotificationClick, Open } from "./Content.tsx";
import { IconButton } from "./IconButton.tsx";
import { focusNeighbour } from "./roving.ts";
import type { Attempt } from "./useAttempt.ts";

export interface InboxItemProps {
  readonly notification: Notification;
  readonly position: number;
  /** How many there are; -1 = nobody knows yet. */
  readonly size: number;
  /** Whether Tab stops here. */
  readonly active: boolean;
  readonly onFocus: (id: string) => void;
  readonly onOpen: NotificationClick;
  readonly attempt: Attempt["attempt"];
  readonly target: "_self" | "_blank" | undefined;
  /** Stands in place of the picture and the text. */
  readonly children?: ReactNode;
}

export const InboxItem = memo(function InboxItem(props: InboxItemProps): ReactNode {
  const { notification, active, onFocus, onOpen, target, children } = props;
  const strings = useStrings();
  const id = useId();
  const unread = !notification.readAt;
  return (
    <article
      className="hg-item"
      data-hg-id={notification.id}
      data-unread={unread || undefined}
      data-unseen={notification.seenAt ? undefined : ""}
      data-type={notification.type}
      aria-labelledby={`${id}-title`}
      aria-describedby={`${id}-text`}
      aria-posinset={props.position}
      aria-setsize={props.size}
      tabIndex={active ? 0 : -1}
      onFocus={() => onFocus(notification.id)}
    >
      {children ?? (
        <>
          <Mark notification={notification} />
          <div className="hg-text">
            <div className="hg-title">
              <Open
                notification={notification}
                id={`${id}-title`}
                tabIndex={-1}
                target={target ?? "_self"}
                onOpen={onOpen}
              />
            </div>
            <div id={`${id}-text`}>
              {unread && <span className="hg-hidden">{strings.unreadItem}. </span>}
              {notification.title && notification.body && <p className="hg-body">{notification.body}</p>}
              <Age at={notification.createdAt} />
            </div>
          </div>
        </>
      )}
      <ItemActions {...props} />
    </article>
  );
});

function ItemActions({ notification, active, attempt }: InboxItemProps): ReactNode {
  const strings = useStrings();
  const { read, markUnread, archive, unarchive } = useInboxActions();
  const tabIndex = active ? 0 : -1;
  const { readAt, archivedAt } = notification;
  return (
    <div className="hg-actions">
      <IconButton
        icon={readAt ? "dot" : "check"}
        label={readAt ? strings.markUnread : strings.markRead}
        tabIndex={tabIndex}
        onClick={() => attempt(() => (readAt ? markUnread : read)(notification))}
      />
      <IconButton
        icon={archivedAt ? "unarchive" : "archive"}
        label={archivedAt ? strings.unarchive : strings.archive}
        tabIndex={tabIndex}
        onClick={(event) => {
          focusNeighbour(event.currentTarget); // the card is about to go, and the focus must not go with it
          attempt(() => (archivedAt ? unarchive : archive)(notification));
        }}
      />
    </div>
  );
}
