// The inbox: views, the list that loads itself, what went wrong, and room for the preferences.

import type { InboxFilter, Notification } from "@heliograph/client";
import { type CSSProperties, type MouseEvent, type ReactNode, useCallback, useId, useRef, useState } from "react";
import { useStrings } from "../hooks/provider.tsx";
import { useLatest } from "../hooks/useLatest.ts";
import { type UseNotificationsResult, useNotifications } from "../hooks/useNotifications.ts";
import { useConnection } from "../hooks/useUser.ts";
import type { NotificationClick } from "./Content.tsx";
import { IconButton } from "./IconButton.tsx";
import { InboxItem } from "./InboxItem.tsx";
import { Icon } from "./icons.tsx";
import { onListKey } from "./roving.ts";
import { Tabs } from "./Tabs.tsx";
import { type Attempt, useAttempt } from "./useAttempt.ts";
import { useReached, useSeenOnScreen } from "./visibility.ts";

export type InboxView = "all" | "unread" | "archived";

export interface InboxProps {
  /** The views to choose from, the first at the beginning. One alone shows no tabs. */
  readonly views?: readonly InboxView[];
  /** Only this category. */
  readonly category?: string;
  /** Items a page, 1 to 100. Default 20. */
  readonly pageSize?: number;
  /** Before the link is followed; `event.preventDefault()` keeps the page, for a router of your own. */
  readonly onNotificationClick?: NotificationClick;
  /** Where links open. Default `_self`. */
  readonly linkTarget?: "_self" | "_blank";
  /** The card's picture and text in your own way. Make the title clickable with `data-hg-open` for Enter to find it. */
  readonly renderNotification?: (notification: Notification) => ReactNode;
  /** In place of the sentence that nothing is there. */
  readonly renderEmpty?: (view: InboxView) => ReactNode;
  /** Beside the title; null leaves the header out altogether. */
  readonly header?: ReactNode;
  /** `<Preferences … />`: a button in the header then leads there and back. */
  readonly preferences?: ReactNode;
  readonly className?: string;
  readonly style?: CSSProperties;
}

const ALL_VIEWS: readonly InboxView[] = ["all", "unread", "archived"];
const FILTERS: Readonly<Record<InboxView, InboxFilter>> = {
  all: {},
  unread: { unread: true },
  archived: { archived: true },
};

export function Inbox(props: InboxProps): ReactNode {
  const { views = ALL_VIEWS, preferences, className = "", style } = props;
  const [inPreferences, setInPreferences] = useState(false);
  const [view, setView] = useState<InboxView>(views[0] ?? "all");
  const id = useId();
  return (
    <section className={`hg hg-inbox ${className}`} style={style} aria-labelledby={`${id}-heading`}>
      {inPreferences ? (
        <PreferencesPage headingId={`${id}-heading`} onBack={() => setInPreferences(false)}>
          {preferences}
        </PreferencesPage>
      ) : (
        <ListPage
          {...props}
          id={id}
          view={view}
          views={views}
          onView={setView}
          onPreferences={preferences === undefined ? undefined : () => setInPreferences(true)}
        />
      )}
    </section>
  );
}

interface PreferencesPageProps {
  readonly headingId: string;
  readonly onBack: () => void;
  readonly children: ReactNode;
}

function PreferencesPage({ headingId, onBack, children }: PreferencesPageProps): ReactNode {
  const strings = useStrings();
  return (
    <>
      <header className="hg-header">
        <IconButton icon="back" label={strings.back} onClick={onBack} autoFocus />
        <h2 id={headingId} className="hg-heading">
          {strings.preferences}
        </h2>
      </header>
      <div className="hg-scroller">{children}</div>
    </>
  );
}

interface ListPageProps extends InboxProps {
  readonly id: string;
  readonly view: InboxView;
  readonly views: readonly InboxView[];
  readonly onView: (view: InboxView) => void;
  readonly onPreferences: (() => void) | undefined;
}

function ListPage(props: ListPageProps): ReactNode {
  const { id, view, views, onView, category, pageSize } = props;
  const strings = useStrings();
  const list = useNotifications({ ...FILTERS[view], category, limit: pageSize });
  const attempt = useAttempt();
  const tabs = views.length > 1;
  return (
    <>
      {props.header === null ? (
        <h2 id={`${id}-heading`} className="hg-hidden">
          {strings.notifications}
        </h2>
      ) : (
        <Header {...props} list={list} attempt={attempt.attempt} />
      )}
      {tabs && <Tabs id={id} choices={views} chosen={view} labels={strings.views} onChoose={onView} />}
      <Troubles failed={attempt.failed} />
      <div
        className="hg-scroller"
        data-hg-scroller=""
        id={`${id}-panel`}
        {...(tabs ? { role: "tabpanel", "aria-labelledby": `${id}-tab-${view}` } : {})}
      >
        <List key={view} {...props} list={list} attempt={attempt.attempt} />
      </div>
    </>
  );
}

interface WithList {
  readonly list: UseNotificationsResult;
  readonly attempt: Attempt["attempt"];
}

function Header({ id, header, list, attempt, onPreferences }: ListPageProps & WithList): ReactNode {
  const strings = useStrings();
  return (
    <header className="hg-header">
      <h2 id={`${id}-heading`} className="hg-heading">
        {strings.notifications}
        {list.unread > 0 && <span className="hg-count">{list.unread}</span>}
      </h2>
      {header}
      <button
        type="button"
        className="hg-text-button"
        disabled={list.unread === 0}
        onClick={() => attempt(() => list.readAll())}
      >
        {strings.markAllRead}
      </button>
      {onPreferences && <IconButton icon="settings" label={strings.preferences} onClick={onPreferences} />}
    </header>
  );
}

/** What the person should know about the connection and about actions that were undone. */
function Troubles({ failed }: { readonly failed: boolean }): ReactNode {
  const strings = useStrings();
  const { status } = useConnection();
  const offline = status === "offline" || status === "closed" || status === "idle";
  return (
    <div role="status" className="hg-troubles">
      {failed && <p>{strings.actionFailed}</p>}
      {offline && <p>{strings.offline}</p>}
      {status === "unauthorized" && <p>{strings.signedOut}</p>}
    </div>
  );
}

function List(props: ListPageProps & WithList): ReactNode {
  const { list, view, id } = props;
  const feed = useRef<HTMLDivElement>(null);
  const end = useRef<HTMLDivElement>(null);
  const { notifications, hasMore, isFetching, isLoading, error, seen, fetchMore } = list;
  useReached(end, hasMore && !isFetching && !error, fetchMore);
  useSeenOnScreen(feed, notifications, (ids) => void seen(ids).catch(ignore)); // next time, then
  return (
    <>
      {/* biome-ignore lint/a11y/noStaticElementInteractions: the keys are those of the cards in it */}
      <div
        ref={feed}
        className="hg-feed"
        onKeyDown={onListKey}
        {...(notifications.length > 0 && { role: "feed", "aria-labelledby": `${id}-heading`, "aria-busy": isFetching })}
      >
        <Cards {...props} />
      </div>
      {isLoading && <Skeleton />}
      {!isLoading && !error && notifications.length === 0 && (props.renderEmpty?.(view) ?? <Empty view={view} />)}
      <div ref={end} className="hg-end">
        <End list={list} />
      </div>
    </>
  );
}

function ignore(): void {}

function Cards({
  list,
  attempt,
  onNotificationClick,
  renderNotification,
  linkTarget,
}: ListPageProps & WithList): ReactNode {
  const { notifications, hasMore, read } = list;
  const [focused, setFocused] = useState<string | null>(null);
  const stop = notifications.some(({ id }) => id === focused) ? focused : notifications[0]?.id;
  const latestClick = useLatest(onNotificationClick);
  const open = useCallback(
    (notification: Notification, event: MouseEvent<HTMLElement>) => {
      latestClick.current?.(notification, event);
      if (!notification.readAt) attempt(() => read(notification));
    },
    [attempt, read, latestClick],
  );
  return notifications.map((notification, index) => (
    <InboxItem
      key={notification.id}
      notification={notification}
      position={index + 1}
      size={hasMore ? -1 : notifications.length}
      active={notification.id === stop}
      onFocus={setFocused}
      onOpen={open}
      attempt={attempt}
      target={linkTarget}
    >
      {renderNotification?.(notification)}
    </InboxItem>
  ));
}

function Empty({ view }: { readonly view: InboxView }): ReactNode {
  const strings = useStrings();
  return (
    <div className="hg-empty">
      <Icon name={view === "archived" ? "archive" : "bell"} />
      <p>{strings.empty[view]}</p>
    </div>
  );
}

function Skeleton(): ReactNode {
  const strings = useStrings();
  return (
    <div className="hg-skeleton" role="status" aria-label={strings.loading}>
      {[1, 2, 3, 4].map((row) => (
        <div key={row} aria-hidden="true">
          <span />
          <span />
          <span />
        </div>
      ))}
    </div>
  );
}

/** The button is for who has no IntersectionObserver, and for trying again. */
function End({ list }: Pick<WithList, "list">): ReactNode {
  const strings = useStrings();
  if (list.error) {
    return (
      <div role="alert" className="hg-failed">
        <p>{strings.loadFailed}</p>
        <button
          type="button"
          className="hg-text-button"
          onClick={() => void (list.hasMore ? list.fetchMore() : list.refetch())}
        >
          {strings.retry}
        </button>
      </div>
    );
  }
  if (!list.hasMore || list.isLoading) return null;
  return (
    <button type="button" className="hg-text-button" disabled={list.isFetching} onClick={() => void list.fetchMore()}>
      {list.isFetching ? strings.loading : strings.loadMore}
    </button>
  );
}
