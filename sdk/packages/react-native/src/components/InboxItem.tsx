// One notification of the list. Its text is one stop of a screen reader, with reading and archiving as its actions;
// the two buttons beside it are for fingers, switches and voices.

import type { Notification, Strings } from "@heliograph/react/hooks";
import { relativeTime, useInboxActions, useNow, useStrings } from "@heliograph/react/hooks";
import { memo, type ReactNode } from "react";
import { type AccessibilityActionEvent, Image, Pressable, StyleSheet, View } from "react-native";
import { type Theme, useTheme } from "../theme.tsx";
import { IconButton } from "./IconButton.tsx";
import { Label } from "./Label.tsx";
import type { Attempt } from "./useAttempt.ts";

export interface InboxItemProps {
  readonly notification: Notification;
  readonly onOpen: (notification: Notification) => void;
  readonly attempt: Attempt["attempt"];
  /** Stands in place of the picture and the text. */
  readonly children?: ReactNode;
}

export const InboxItem = memo(function InboxItem({
  notification,
  onOpen,
  attempt,
  children,
}: InboxItemProps): ReactNode {
  const strings = useStrings();
  const theme = useTheme();
  const age = relativeTime(notification.createdAt, useNow(), strings);
  const marks = useMarks(notification, attempt);
  const perform = ({ nativeEvent }: AccessibilityActionEvent) =>
    marks.find(({ icon }) => icon === nativeEvent.actionName)?.onPress();
  return (
    <View style={[styles.row, rowStyle(theme, notification)]}>
      <Pressable
        testID={`heliograph-item-${notification.id}`}
        style={({ pressed }) => [
          styles.text,
          { padding: theme.space * 1.5 },
          pressed && { backgroundColor: theme.colors.pressed },
        ]}
        accessibilityRole="button"
        accessibilityLabel={spoken(notification, age, strings)}
        accessibilityActions={marks.map(({ icon, label }) => ({ name: icon, label }))}
        onAccessibilityAction={perform}
        onPress={() => onOpen(notification)}
      >
        {children ?? <Content notification={notification} age={age} />}
      </Pressable>
      {marks.map(({ icon, label, onPress }) => (
        <IconButton
          key={icon}
          icon={icon}
          label={`${label}: ${notification.title || notification.body}`}
          onPress={onPress}
        />
      ))}
    </View>
  );
});

function Content({ notification, age }: { readonly notification: Notification; readonly age: string }): ReactNode {
  const { title, body, readAt, imageUrl } = notification;
  const { space } = useTheme();
  return (
    <View style={[styles.content, { gap: space * 1.5 }]}>
      {imageUrl && <Image source={{ uri: imageUrl }} style={styles.image} accessibilityIgnoresInvertColors />}
      <View style={styles.lines}>
        <Label bold={!readAt}>{title || body}</Label>
        {title !== "" && body !== "" && (
          <Label color={readAt ? "muted" : "text"} numberOfLines={4}>
            {body}
          </Label>
        )}
        <Label size="small" color="muted">
          {age}
        </Label>
      </View>
    </View>
  );
}

interface Mark {
  readonly icon: "check" | "dot" | "archive" | "unarchive";
  readonly label: string;
  readonly onPress: () => void;
}

function useMarks(notification: Notification, attempt: Attempt["attempt"]): readonly Mark[] {
  const strings = useStrings();
  const { read, markUnread, archive, unarchive } = useInboxActions();
  const { readAt, archivedAt } = notification;
  return [
    readAt
      ? { icon: "dot", label: strings.markUnread, onPress: () => attempt(() => markUnread(notification)) }
      : { icon: "check", label: strings.markRead, onPress: () => attempt(() => read(notification)) },
    archivedAt
      ? { icon: "unarchive", label: strings.unarchive, onPress: () => attempt(() => unarchive(notification)) }
      : { icon: "archive", label: strings.archive, onPress: () => attempt(() => archive(notification)) },
  ];
}

function spoken({ readAt, title, body }: Notification, age: string, strings: Strings): string {
  return [readAt ? "" : strings.unreadItem, title, body, age].filter(Boolean).join(". ");
}

function rowStyle({ colors }: Theme, { readAt }: Notification) {
  return {
    backgroundColor: readAt ? colors.background : colors.unread,
    borderBottomColor: colors.line,
    borderStartColor: readAt ? "transparent" : colors.accent,
  };
}

const styles = StyleSheet.create({
  row: {
    flexDirection: "row",
    alignItems: "center",
    borderBottomWidth: StyleSheet.hairlineWidth,
    borderStartWidth: 3,
  },
  text: { flex: 1 },
  content: { flexDirection: "row", alignItems: "center" },
  lines: { flex: 1, gap: 2 },
  image: { width: 40, height: 40, borderRadius: 8 },
});
