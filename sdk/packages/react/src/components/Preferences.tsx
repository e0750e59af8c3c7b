// What may reach the person on which channel: a table of switches, one row for each category that the app names.

import type { Channel, Preferences as Chosen } from "@heliograph/client";
import { type CSSProperties, type ReactNode, useId } from "react";
import { useStrings } from "../hooks/provider.tsx";
import { usePreferences } from "../hooks/useUser.ts";
import { wants } from "../hooks/wants.ts";
import { useAttempt } from "./useAttempt.ts";

export interface PreferenceCategory {
  /** As in a notification's `category`; `marketing` also covers `marketing.news`. */
  readonly id: string;
  readonly label: string;
  readonly description?: string;
}

export interface PreferencesProps {
  readonly categories?: readonly PreferenceCategory[];
  /** The columns. Default: on screen, push, e-mail. */
  readonly channels?: readonly Channel[];
  readonly className?: string;
  readonly style?: CSSProperties;
}

const ALL_CHANNELS: readonly Channel[] = ["in_app", "push", "email"];

export function Preferences(props: PreferencesProps): ReactNode {
  const { categories = [], channels = ALL_CHANNELS, className = "", style } = props;
  const strings = useStrings();
  const { preferences, error, refetch, update } = usePreferences();
  const { failed, attempt } = useAttempt();
  const everything: Row = { id: null, label: strings.allNotifications, description: strings.allNotificationsHint };
  return (
    <div className={`hg hg-preferences ${className}`} style={style}>
      <div role="status" className="hg-troubles">
        {failed && <p>{strings.actionFailed}</p>}
      </div>
      {preferences ? (
        <Table
          rows={[everything, ...categories]}
          channels={channels}
          chosen={preferences}
          onSwitch={(category, channel, on) => attempt(() => update(changeOf(category, channel, on)))}
        />
      ) : error ? (
        <div role="alert" className="hg-failed">
          <p>{strings.loadFailed}</p>
          <button type="button" className="hg-text-button" onClick={() => attempt(refetch)}>
            {strings.retry}
          </button>
        </div>
      ) : (
        <div role="status" aria-label={strings.loading} className="hg-skeleton" />
      )}
    </div>
  );
}

interface Row {
  readonly id: string | null;
  readonly label: string;
  readonly description?: string;
}

function changeOf(category: string | null, channel: Channel, on: boolean) {
  return category === null ? { channels: { [channel]: on } } : { categories: { [category]: { [channel]: on } } };
}

interface TableProps {
  readonly rows: readonly Row[];
  readonly channels: readonly Channel[];
  readonly chosen: Chosen;
  readonly onSwitch: (category: string | null, channel: Channel, on: boolean) => void;
}

function Table({ rows, channels, chosen, onSwitch }: TableProps): ReactNode {
  const strings = useStrings();
  const id = useId();
  return (
    <table>
      <thead>
        <tr>
          <td />
          {channels.map((channel) => (
            <th key={channel} scope="col" id={`${id}-${channel}`}>
              {strings.channels[channel]}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {rows.map((row) => (
          <tr key={row.id ?? ""}>
            <th scope="row">
              <span id={`${id}-row-${row.id ?? ""}`}>{row.label}</span>
              {row.description && <small>{row.description}</small>}
            </th>
            {channels.map((channel) => (
              <td key={channel}>
                <input
                  type="checkbox"
                  role="switch"
                  className="hg-switch"
                  aria-labelledby={`${id}-row-${row.id ?? ""} ${id}-${channel}`}
                  checked={wants(chosen, row.id, channel)}
                  aria-checked={wants(chosen, row.id, channel)}
                  onChange={(event) => onSwitch(row.id, channel, event.currentTarget.checked)}
                />
              </td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}
