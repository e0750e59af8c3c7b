// The list of the user's notifications: newest first, paging, pull to refresh, views, marks. Shows what the storage holds
// before the first answer.

import { type Notification, type UseNotificationsResult, useNotifications, useStrings } from "@heliograph/react/hooks";
import { type ReactNode, useCallback, useEffect, useRef, useState } from "react";
import {
  ActivityIndicator,
  FlatList,
  type ListRenderItem,
  RefreshControl,
  type StyleProp,
  StyleSheet,
  View,
  type ViewStyle,
  type ViewToken,
} from "react-native";
import { useTheme } from "../theme.tsx";
import { InboxHeader } from "./InboxHeader.tsx";
import { InboxItem } from "./InboxItem.tsx";
import { Label } from "./Label.tsx";
import { ConnectionNotice, Notice } from "./Notice.tsx";
import { openUrl } from "./openUrl.ts";
import { type InboxView, Tabs } from "./Tabs.tsx";
import { TextButton } from "./TextButton.tsx";
import { useAttempt } from "./useAttempt.ts";

export interface InboxProps {
  /** The views to choose from, the first at the beginning. One alone shows no tabs. */
  readonly views?: readonly InboxView[] | undefined;
  /** Only this category. */
  readonly category?: string | undefined;
  /** Items a page, 1 to 100. Default 20. */
  readonly pageSize?: number | undefined;
  /** Called with one that was pressed, in place of opening its action URL. */
  readonly onNotificationPress?: ((notification: Notification) => void) | undefined;
  /** An item's picture and text in your own way; the row and its buttons stay. */
  readonly renderNotification?: ((notification: Notification) => ReactNode) | undefined;
  /** In place of the sentence that nothing is there. */
  readonly renderEmpty?: ((view: InboxView) => ReactNode) | undefined;
  /** Beside the title; null leaves the header out altogether. */
  readonly header?: ReactNode;
  readonly style?: StyleProp<ViewStyle>;
}

const VIEWS: readonly InboxView[] = ["all", "unread", "archived"];
const FILTERS = { all: {}, unread: { unread: true }, archived: { archived: true } } as const;

export function Inbox(props: InboxProps): ReactNode {
  const { category, pageSize, views = VIEWS, header, style } = props;
  const [view, setView] = useState<InboxView>(views[0] ?? "all");
  const inbox = useNotifications({ ...FILTERS[view], category, limit: pageSize });
  const { failed, attempt } = useAttempt();
  const strings = useStrings();
  const { colors } = useTheme();
  return (
    <View style={[styles.inbox, { backgroundColor: colors.background }, style]}>
      {header !== null && (
        <InboxHeader unread={inbox.unread} onReadAll={() => attempt(inbox.readAll)}>
          {header}
        </InboxHeader>
      )}
      {views.length > 1 && <Tabs views={views} view={view} onView={setView} />}
      <ConnectionNotice />
      {failed && <Notice text={strings.actionFailed} />}
      <List key={view} view={view} inbox={inbox} attempt={attempt} {...props} />
    </View>
  );
}

interface ListProps extends InboxProps {
  readonly view: InboxView;
  readonly inbox: UseNotificationsResult;
  readonly attempt: (action: () => Promise<void>) => void;
}

function List({ view, inbox, attempt, onNotificationPress, renderNotification, renderEmpty }: ListProps): ReactNode {
  const { colors } = useTheme();
  const pull = usePull(inbox.refetch);
  const onViewable = useSeen(inbox.seen);
  const onOpen = useOpen(inbox.read, attempt, onNotificationPress);
  const renderItem = useCallback<ListRenderItem<Notification>>(
    ({ item }) => (
      <InboxItem notification={item} onOpen={onOpen} attempt={attempt}>
        {renderNotification?.(item)}
      </InboxItem>
    ),
    [onOpen, attempt, renderNotification],
  );
  return (
    <FlatList
      testID="heliograph-list"
      data={inbox.notifications}
      keyExtractor={idOf}
      renderItem={renderItem}
      onEndReached={() => {
        if (inbox.hasMore && !inbox.isFetching && !inbox.error) void inbox.fetchMore();
      }}
      onEndReachedThreshold={0.7}
      onViewableItemsChanged={onViewable}
      viewabilityConfig={LOOKED_AT}
      maintainVisibleContentPosition={STAY}
      refreshControl={<RefreshControl {...pull} tintColor={colors.muted} colors={[colors.accent]} />}
      ListEmptyComponent={<Empty view={view} inbox={inbox} renderEmpty={renderEmpty} />}
      ListFooterComponent={inbox.notifications.length > 0 ? <Footer inbox={inbox} /> : null}
    />
  );
}

/** An item counts as seen when most of it stood on the screen for a moment. */
const LOOKED_AT = { itemVisiblePercentThreshold: 60, minimumViewTime: 400 };
/** Who reads further down isn't moved by what arrives on top; who is at the top sees it come. */
const STAY = { minIndexForVisible: 0, autoscrollToTopThreshold: 16 };

function idOf({ id }: Notification): string {
  return id;
}

function usePull(refetch: () => Promise<void>): { refreshing: boolean; onRefresh: () => void } {
  const [refreshing, setRefreshing] = useState(false);
  return {
    refreshing,
    onRefresh: () => {
      setRefreshing(true);
      void refetch().finally(() => setRefreshing(false));
    },
  };
}

/** A function that stays the same, as FlatList demands, and tells what came into view. */
function useSeen(seen: UseNotificationsResult["seen"]): (info: { viewableItems: ViewToken<Notification>[] }) => void {
  const latest = useRef(seen);
  useEffect(() => {
    latest.current = seen;
  });
  return useCallback(({ viewableItems }) => {
    const unseen = viewableItems.filter(({ item }) => !item.seenAt).map(({ item }) => item.id);
    // Nobody pressed anything, so nobody is told; the next look at the list tries again.
    if (unseen.length > 0) void latest.current(unseen).catch(() => {});
  }, []);
}

function useOpen(
  read: UseNotificationsResult["read"],
  attempt: (action: () => Promise<void>) => void,
  onPress: ((notification: Notification) => void) | undefined,
): (notification: Notification) => void {
  return useCallback(
    (notification) => {
      if (!notification.readAt) attempt(() => read(notification));
      if (onPress) onPress(notification);
      else attempt(() => openUrl(notification.actionUrl));
    },
    [read, attempt, onPress],
  );
}

function Empty({ view, inbox, renderEmpty }: Pick<ListProps, "view" | "inbox" | "renderEmpty">): ReactNode {
  const strings = useStrings();
  const { space } = useTheme();
  if (inbox.isLoading) return <Spinner />;
  if (inbox.error) return <Notice text={strings.loadFailed} onRetry={() => void inbox.refetch()} />;
  if (renderEmpty) return renderEmpty(view);
  return (
    <Label color="muted" style={[styles.empty, { padding: space * 4 }]}>
      {strings.empty[view]}
    </Label>
  );
}

function Footer({ inbox }: Pick<ListProps, "inbox">): ReactNode {
  const strings = useStrings();
  if (inbox.error) {
    return (
      <Notice text={strings.loadFailed} onRetry={() => void (inbox.hasMore ? inbox.fetchMore() : inbox.refetch())} />
    );
  }
  if (!inbox.hasMore) return null;
  return inbox.isFetching ? (
    <Spinner />
  ) : (
    <TextButton label={strings.loadMore} onPress={() => void inbox.fetchMore()} />
  );
}

function Spinner(): ReactNode {
  const { colors, space } = useTheme();
  return (
    <ActivityIndicator color={colors.muted} style={{ padding: space * 2 }} accessibilityLabel={useStrings().loading} />
  );
}

const styles = StyleSheet.create({ inbox: { flex: 1 }, empty: { textAlign: "center" } });
