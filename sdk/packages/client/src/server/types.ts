// What a back end sends and gets, in the language's own spelling.

import type { HeliographError } from "../errors.ts";
import type { Transport } from "../ports.ts";
import type { Channel, NotificationType } from "../types.ts";

/** A user's id, or a user who is created or updated on the way: what is left out stays as it was. */
export type Recipient =
  | string
  | {
      readonly id: string;
      readonly email?: string | undefined;
      readonly name?: string | undefined;
      readonly locale?: string | undefined;
      readonly timezone?: string | undefined;
      readonly data?: Readonly<Record<string, unknown>> | undefined;
    };

/** What is sent; the limits stand in docs/api.md, section 2. `title` or `body` is needed. */
export interface Content {
  /** Default `alert`. */
  readonly type?: NotificationType | undefined;
  readonly category?: string | undefined;
  /** Text, never markup. */
  readonly title?: string | undefined;
  /** Text, never markup. */
  readonly body?: string | undefined;
  readonly data?: Readonly<Record<string, unknown>> | undefined;
  /** http or https. */
  readonly actionUrl?: string | undefined;
  /** http or https. */
  readonly imageUrl?: string | undefined;
  /** The number on the app's icon. */
  readonly badge?: number | undefined;
  /** Limits the router's choice to these. */
  readonly channels?: readonly Channel[] | undefined;
  readonly collapseKey?: string | undefined;
  /** What has not been sent after so many seconds is not sent. */
  readonly ttlS?: number | undefined;
  /** Your name for this send: repeating it, also from another process, sends nothing twice. */
  readonly idempotencyKey?: string | undefined;
}

export interface Send extends Content {
  readonly to: Recipient;
}

/** The same to many, 1,000 at most. */
export interface SendList extends Content {
  readonly to: readonly Recipient[];
}

export interface Sent {
  readonly id: string;
}

export interface SentList {
  readonly batchId: string;
  /** In the order of `to`. */
  readonly ids: readonly string[];
}

/** What became of one of many: its id or its error. */
export type Outcome =
  | { readonly id: string; readonly error: null }
  | { readonly id: null; readonly error: HeliographError };

export interface HeliographServerOptions {
  /** Where Heliograph answers, without a path: `https://notify.example`. */
  readonly baseUrl: string;
  /** `hg_sk_…` */
  readonly key: string;
  /** Tries of one request, the first included. Default 5. */
  readonly tries?: number | undefined;
  /** How long one try may take, in milliseconds. Default 10,000. */
  readonly timeoutMs?: number | undefined;
  /** Requests at the same time; sends that come meanwhile share the next. Default 4. */
  readonly parallel?: number | undefined;
  readonly transport?: Pick<Transport, "fetch"> | undefined;
}
