// The page: two people with the shop open, and beside them what the shop sends and where it went.

import { type ReactNode, useCallback, useEffect, useState } from "react";
import type { Kind, PersonId } from "./backEnd.ts";
import { BackOffice, Mailbox, Reasons } from "./Panels.tsx";
import { PEOPLE } from "./people.ts";
import { PRODUCTS } from "./products.tsx";
import { Steps } from "./Steps.tsx";
import { type Theme, ThemeSwitch } from "./ThemeSwitch.tsx";
import { Window } from "./Window.tsx";
import { useMails, useSends } from "./watching.ts";

export function Demo(): ReactNode {
  const [online, setOnline] = useState<Readonly<Record<PersonId, boolean>>>({ "demo-ada": true, "demo-grace": true });
  const [theme, setTheme] = useState<Theme>("light dark");
  const [failed, setFailed] = useState(false);
  useEffect(() => {
    document.documentElement.style.colorScheme = theme;
  }, [theme]);
  const mails = useMails();
  const { sent, start } = useSends();
  const onSend = useCallback(
    (kind: Kind, to: PersonId | null, product = anyProduct()) => {
      start(kind, to, product).then(
        () => setFailed(false),
        () => setFailed(true),
      );
    },
    [start],
  );
  return (
    <div className="demo">
      <header className="top">
        <Logo />
        <h1>
          Heliograph <span>On the screen of who is there. In the mailbox of who is not.</span>
        </h1>
        <ThemeSwitch theme={theme} onTheme={setTheme} />
      </header>
      <Steps sent={sent} adaIsThere={online["demo-ada"]} />
      <main>
        {PEOPLE.map((person) => (
          <Window
            key={person.id}
            person={person}
            online={online[person.id]}
            onOnline={(is) => setOnline((before) => ({ ...before, [person.id]: is }))}
            onSend={(kind, product) => onSend(kind, person.id, product)}
          />
        ))}
        <div className="side">
          <BackOffice onSend={(kind, to) => onSend(kind, to)} failed={failed} />
          <Mailbox mails={mails} />
          <Reasons sent={sent} />
        </div>
      </main>
    </div>
  );
}

function anyProduct(): string {
  return PRODUCTS[Math.floor(Math.random() * PRODUCTS.length)]?.name ?? "Storm lamp";
}

function Logo(): ReactNode {
  return (
    <svg className="logo" viewBox="0 0 32 32" aria-hidden="true" focusable="false">
      <circle cx="14" cy="18" r="7.5" />
      <path d="m19.5 12.5 8-8M22.5 17H29M15 9.5V3" />
    </svg>
  );
}
