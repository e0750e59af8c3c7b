// The server's rule of preferences, so that a switch shows what will happen (docs/api.md, section 3).

import type { Channel, Preferences } from "@heliograph/client";

/**
 * Whether a notification of this category reaches the person on this channel. The most specific rule that speaks of
 * the channel decides: the category's, then that of what it is part of (`marketing` covers `marketing.news`), then the
 * channel's own. What nobody spoke of is wanted. Transactional ones are never muted.
 *
 * @param category null = the channel's own rule.
 */
export function wants(preferences: Preferences, category: string | null, channel: Channel): boolean {
  for (let name = category ?? ""; name; name = name.slice(0, Math.max(0, name.lastIndexOf(".")))) {
    const rule = preferences.categories[name]?.[channel];
    if (rule !== undefined) return rule;
  }
  return preferences.channels[channel] ?? true;
}
