// The right-hand side: the shop's back office that sends, the mailbox, and why each went where it went.

import { relativeTime, useNow } from "@heliograph/react";
import type { ReactNode } from "react";
import type { Decision, Kind, Mail, PersonId } from "./backEnd.ts";
import { nameOf, PEOPLE } from "./people.ts";
import type { Sent } from "./watching.ts";

export interface BackOfficeProps {
  readonly onSend: (kind: Kind, to: PersonId | null) => void;
  readonly failed: boolean;
}

export function BackOffice({ onSend, failed }: BackOfficeProps): ReactNode {
  return (
    <section className="card office" aria-labelledby="office">
      <h2 id="office">The shop sends</h2>
      <table>
        <tbody>
          <tr>
            <th scope="row">
              Order confirmed<small>transactional, first of all</small>
            </th>
            {PEOPLE.map(({ id, name }) => (
              <td key={id}>
                <button type="button" onClick={() => onSend("order", id)} aria-label={`Confirm an order to ${name}`}>
                  {name}
                </button>
              </td>
            ))}
          </tr>
          <tr>
            <th scope="row">
              Low stock<small>alert, second</small>
            </th>
            {PEOPLE.map(({ id, name }) => (
              <td key={id}>
                <button type="button" onClick={() => onSend("alert", id)} aria-label={`Raise an alert to ${name}`}>
                  {name}
                </button>
              </td>
            ))}
          </tr>
          <tr>
            <th scope="row">
              Winter sale<small>marketing, when there is room</small>
            </th>
            <td colSpan={2}>
              <button type="button" onClick={() => onSend("campaign", null)} aria-label="Start a campaign to both">
                Both
              </button>
            </td>
          </tr>
        </tbody>
      </table>
      <div role="status">{failed && <p className="failed">That was not sent. Is Heliograph running?</p>}</div>
    </section>
  );
}

export function Mailbox({ mails }: { readonly mails: readonly Mail[] }): ReactNode {
  const now = useNow();
  return (
    <section className="card mailbox" aria-labelledby="mailbox">
      <h2 id="mailbox">
        Mailbox <small>{mails.length === 0 ? "" : mails.length}</small>
      </h2>
      {mails.length === 0 && <p className="hint">No mail. Everybody is on the page, so nobody needs one.</p>}
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable with the keyboard */}
      <ol tabIndex={0} aria-label="Mails, the newest first">
        {mails.map((mail) => (
          <li key={mail.id}>
            <div className="envelope">
              <span>{mail.to}</span>
              <time dateTime={mail.at}>{relativeTime(mail.at, now, { locale: "en", justNow: "now" })}</time>
            </div>
            <strong>{mail.title}</strong>
            <p>{mail.body.replace(mail.title, "").trim()}</p>
          </li>
        ))}
      </ol>
    </section>
  );
}

const TITLES: Readonly<Record<Kind, string>> = {
  order: "Order confirmed",
  alert: "Low stock",
  campaign: "Winter sale",
};

export function Reasons({ sent }: { readonly sent: readonly Sent[] }): ReactNode {
  return (
    <section className="card reasons" aria-labelledby="reasons">
      <h2 id="reasons">Why it went there</h2>
      {sent.length === 0 && <p className="hint">Send something: the delivery router tells what it decided, and why.</p>}
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable with the keyboard */}
      <ol tabIndex={0} aria-label="Sends, the newest first">
        {sent.map((one) => (
          <Reason key={one.id} sent={one} />
        ))}
      </ol>
    </section>
  );
}

function Reason({ sent: { kind, explanation } }: { readonly sent: Sent }): ReactNode {
  const decision = explanation?.decisions.at(-1);
  return (
    <li data-kind={kind}>
      <div className="what">
        <strong>{TITLES[kind]}</strong>
        {explanation && <span>to {nameOf(explanation.user)}</span>}
      </div>
      <div className="where">
        {decision && placesOf(decision).map((place) => <Place key={place} place={place} />)}
        <span className="status">{explanation?.status ?? "accepted"}</span>
      </div>
      {decision && <p>because {[decision.because, ...mutedIn(decision)].join(", and ")}</p>}
    </li>
  );
}

type Where = "screen" | "mail" | "push" | "inbox";

const WORDS: Readonly<Record<Where, string>> = { screen: "Screen", mail: "Mail", push: "Push", inbox: "Inbox" };

function Place({ place }: { readonly place: Where }): ReactNode {
  return (
    <span className="place" data-place={place}>
      {WORDS[place]}
    </span>
  );
}

/** In-app is the screen of who is there; for who isn't, and can't be reached otherwise, it waits in the inbox. */
function placesOf({ chosen, channels }: Decision): readonly Where[] {
  const waits = (channels["in_app"] ?? "").endsWith("it waits in the inbox");
  const places: Readonly<Record<string, Where>> = { in_app: waits ? "inbox" : "screen", email: "mail", push: "push" };
  const found = chosen.flatMap((channel) => places[channel] ?? []);
  return found.length > 0 ? found : ["inbox"];
}

/** What the person doesn't want: "the user muted e-mail for marketing". */
function mutedIn({ channels }: Decision): readonly string[] {
  return Object.values(channels).flatMap((sentence) => /: (the user muted .*)$/.exec(sentence)?.[1] ?? []);
}
