// One person's browser with the shop in it: bell, toasts, inbox and preferences of @heliograph/react, signed in as them.

import {
  Bell,
  HeliographProvider,
  Inbox,
  type PreferenceCategory,
  Preferences,
  Toasts,
  useConnection,
} from "@heliograph/react";
import { type ReactNode, useCallback } from "react";
import { type Kind, userToken } from "./backEnd.ts";
import type { Person } from "./people.ts";
import { Picture, PRODUCTS } from "./products.tsx";

const CATEGORIES: readonly PreferenceCategory[] = [
  { id: "stock", label: "Low stock", description: "When something you watch is nearly gone." },
  { id: "marketing", label: "News and offers", description: "Four letters a year, at most." },
];

export interface WindowProps {
  readonly person: Person;
  readonly online: boolean;
  readonly onOnline: (online: boolean) => void;
  readonly onSend: (kind: Kind, product: string) => void;
}

export function Window({ person, online, onOnline, onSend }: WindowProps): ReactNode {
  const getToken = useCallback(() => userToken(person.id), [person.id]);
  return (
    <HeliographProvider baseUrl={location.origin} userId={person.id} getToken={getToken} enabled={online}>
      <article className="window" aria-label={`${person.name}'s browser`} data-person={person.id} data-online={online}>
        <header className="bar">
          <span className="avatar" aria-hidden="true">
            {person.name[0]}
          </span>
          <h2>{person.name}</h2>
          <Presence />
          <label className="presence-switch">
            <span>{online ? "Online" : "Offline"}</span>
            <input
              type="checkbox"
              role="switch"
              aria-label={`${person.name} has the shop open`}
              checked={online}
              aria-checked={online}
              onChange={(event) => onOnline(event.currentTarget.checked)}
            />
          </label>
        </header>
        <Shop onSend={onSend} />
        <Toasts placement="bottom-end" />
        {!online && <Away person={person} onBack={() => onOnline(true)} />}
      </article>
    </HeliographProvider>
  );
}

function Presence(): ReactNode {
  const { status } = useConnection();
  return <span className="status">{status === "closed" || status === "idle" ? "" : status}</span>;
}

function Shop({ onSend }: Pick<WindowProps, "onSend">): ReactNode {
  const toShop = useCallback((_: unknown, event: { preventDefault(): void }) => event.preventDefault(), []);
  return (
    <div className="shop">
      <div className="shop-top">
        <strong>Lumen &amp; Lee</strong>
        <Bell>
          <Inbox
            onNotificationClick={toShop}
            preferences={<Preferences categories={CATEGORIES} channels={["in_app", "email"]} />}
          />
        </Bell>
      </div>
      <p className="claim">Light for long nights.</p>
      <ul className="products">
        {PRODUCTS.map((product) => (
          <li key={product.name}>
            <Picture product={product} />
            <div>
              <h3>{product.name}</h3>
              <p>{product.text}</p>
            </div>
            <div className="buy">
              <span>{product.price}</span>
              <button type="button" onClick={() => onSend("order", product.name)} aria-label={`Order: ${product.name}`}>
                Order
              </button>
            </div>
          </li>
        ))}
      </ul>
    </div>
  );
}

function Away({ person, onBack }: { readonly person: Person; readonly onBack: () => void }): ReactNode {
  return (
    <div className="away">
      <p>
        <strong>{person.name} has left.</strong>
        What is sent now goes to {person.address}, and waits in the inbox.
      </p>
      <button type="button" onClick={onBack}>
        Come back
      </button>
    </div>
  );
}
