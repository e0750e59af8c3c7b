// What may reach the person on which channel: switches, a group for each category that the app names.

import type { Channel, Preferences as Chosen, DeepPartial } from "@heliograph/client";
import { usePreferences, useStrings, wants } from "@heliograph/react/hooks";
import type { ReactNode } from "react";
import { ActivityIndicator, ScrollView, type StyleProp, StyleSheet, Switch, View, type ViewStyle } from "react-native";
import { useTheme } from "../theme.tsx";
import { Label } from "./Label.tsx";
import { Notice } from "./Notice.tsx";
import { useAttempt } from "./useAttempt.ts";

export interface PreferenceCategory {
  /** As in a notification's `category`; `marketing` also covers `marketing.news`. */
  readonly id: string;
  readonly label: string;
  readonly description?: string | undefined;
}

export interface PreferencesProps {
  readonly categories?: readonly PreferenceCategory[] | undefined;
  /** Default: on screen, push, e-mail. */
  readonly channels?: readonly Channel[] | undefined;
  readonly style?: StyleProp<ViewStyle>;
}

const NONE: readonly PreferenceCategory[] = [];
const ALL_CHANNELS: readonly Channel[] = ["in_app", "push", "email"];

export function Preferences({ categories = NONE, channels = ALL_CHANNELS, style }: PreferencesProps): ReactNode {
  const strings = useStrings();
  const { colors, space } = useTheme();
  const { preferences, error, refetch, update } = usePreferences();
  const { failed, attempt } = useAttempt();
  const everything: Group = { id: null, label: strings.allNotifications, description: strings.allNotificationsHint };
  const change = (id: string | null, channel: Channel, on: boolean) => attempt(() => update(changeOf(id, channel, on)));
  return (
    <ScrollView
      style={[{ backgroundColor: colors.background }, style]}
      contentContainerStyle={{ padding: space * 2, gap: space * 2 }}
    >
      {failed && <Notice text={strings.actionFailed} />}
      {!preferences && !error && <ActivityIndicator color={colors.muted} accessibilityLabel={strings.loading} />}
      {!preferences && error && <Notice text={strings.loadFailed} onRetry={() => attempt(refetch)} />}
      {preferences &&
        [everything, ...categories].map((group) => (
          <Switches key={group.id ?? ""} group={group} channels={channels} chosen={preferences} onChange={change} />
        ))}
    </ScrollView>
  );
}

interface Group {
  readonly id: string | null;
  readonly label: string;
  readonly description?: string | undefined;
}

function changeOf(category: string | null, channel: Channel, on: boolean): DeepPartial<Chosen> {
  return category === null ? { channels: { [channel]: on } } : { categories: { [category]: { [channel]: on } } };
}

interface SwitchesProps {
  readonly group: Group;
  readonly channels: readonly Channel[];
  readonly chosen: Chosen;
  readonly onChange: (id: string | null, channel: Channel, on: boolean) => void;
}

function Switches({ group: { id, label, description }, channels, chosen, onChange }: SwitchesProps): ReactNode {
  const strings = useStrings();
  return (
    <View>
      <Label bold accessibilityRole="header">
        {label}
      </Label>
      {description && (
        <Label size="small" color="muted">
          {description}
        </Label>
      )}
      {channels.map((channel) => (
        <View key={channel} style={styles.line}>
          <Label importantForAccessibility="no" style={styles.label}>
            {strings.channels[channel]}
          </Label>
          <Switch
            accessibilityLabel={`${label}, ${strings.channels[channel]}`}
            value={wants(chosen, id, channel)}
            onValueChange={(on) => onChange(id, channel, on)}
          />
        </View>
      ))}
    </View>
  );
}

const styles = StyleSheet.create({
  line: { flexDirection: "row", alignItems: "center", minHeight: 44 },
  label: { flex: 1 },
});
