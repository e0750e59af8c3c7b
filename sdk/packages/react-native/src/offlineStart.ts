// A phone often starts without a network, and then nobody gives out tokens; but without one the client doesn't know whose
// kept list to show. So it is remembered who the last token was for: its middle part, which says so, never the
// signature, which makes it a secret. What is built of that is good for showing the list and nothing else: the server
// refuses it, and the client then asks for a real one.

import type { Clock, KeyValueStorage } from "@heliograph/client";

// A token that hasn't come by then is waited for with the list on the screen. It is less than the second after which the
// client begins to load lists: what was kept is shown before that or not at all.
const PATIENCE_MS = 700;

export interface OfflineStart {
  readonly getToken: () => string | Promise<string>;
  readonly storage: KeyValueStorage;
  readonly clock: Clock;
  readonly baseUrl: string;
  /** Who the app says is signed in: nobody else's list is shown. */
  readonly userId: string;
}

/** The same `getToken`; only the first answer may be a stand-in, when the real one fails or takes long. */
export function tokenForStart(start: OfflineStart): () => Promise<string> {
  let first = true;
  return async () => {
    const standIn = first ? await remembered(start) : null;
    first = false;
    if (standIn === null) return real(start);
    // One that hangs is left behind: whoever is refused with the stand-in asks anew, over the network of then.
    return Promise.race([real(start).catch(() => standIn), after(start.clock, standIn)]);
  };
}

async function real(start: OfflineStart): Promise<string> {
  const token = await start.getToken();
  void remember(start, token);
  return token;
}

function after(clock: Clock, value: string): Promise<string> {
  return new Promise((resolve) => clock.after(PATIENCE_MS, () => resolve(value)));
}

async function remember({ storage, baseUrl, userId }: OfflineStart, token: string): Promise<void> {
  const claims = String(token).split(".")[1] ?? "";
  try {
    await storage.set(keyOf(baseUrl), JSON.stringify({ userId, claims }));
  } catch {
    // The next start without a network shows nothing, that is all.
  }
}

async function remembered({ storage, baseUrl, userId }: OfflineStart): Promise<string | null> {
  try {
    const kept = JSON.parse((await storage.get(keyOf(baseUrl))) ?? "null") as Partial<Record<string, unknown>> | null;
    return kept?.["userId"] === userId && typeof kept["claims"] === "string" ? `.${kept["claims"]}.` : null;
  } catch {
    return null;
  }
}

function keyOf(baseUrl: string): string {
  return `heliograph:who:${baseUrl}`;
}
