// The provider: one client for the components below it, made here or given. Touches no DOM.

import { Heliograph, type HeliographOptions } from "@heliograph/client";
import { createContext, type ReactNode, useContext, useEffect, useMemo, useState } from "react";
import { en, type Strings } from "./strings.ts";
import { useLatest } from "./useLatest.ts";

interface Common {
  /** Words of the components: a whole translation, or some words in place of the English ones. */
  readonly strings?: Partial<Strings> | undefined;
  readonly children?: ReactNode;
}

/** A client that the app made; the app starts and stops it. */
export interface GivenClient extends Common {
  readonly client: Heliograph;
}

/** The provider makes the client, starts it and stops it. */
export interface OwnClient extends Common, HeliographOptions {
  readonly client?: undefined;
  /** Who is signed in. Another value means another client: nothing of one person is ever shown to the next. */
  readonly userId?: string | undefined;
  /** Default true. With false nothing is connected: the person counts as offline. */
  readonly enabled?: boolean | undefined;
}

export type HeliographProviderProps = GivenClient | OwnClient;

interface Held {
  readonly client: Heliograph;
  readonly strings: Strings;
}

const HeliographContext = createContext<Held | null>(null);

export function HeliographProvider(props: HeliographProviderProps): ReactNode {
  if (props.client) return <Holder {...props} client={props.client} />;
  return <Owner key={`${props.baseUrl} ${props.userId ?? ""}`} {...props} />;
}

function Owner({ children, strings, enabled = true, userId: _, client: __, ...options }: OwnClient): ReactNode {
  const latest = useLatest(options); // the newest closures, without a new client for each
  const [client] = useState(
    () =>
      new Heliograph({
        ...options,
        getToken: () => latest.current.getToken(),
        onUnauthorized: (error) => latest.current.onUnauthorized?.(error),
      }),
  );
  useEffect(() => {
    if (!enabled) return undefined;
    client.start();
    return () => void client.stop();
  }, [client, enabled]);
  return (
    <Holder client={client} strings={strings}>
      {children}
    </Holder>
  );
}

function Holder({ client, strings, children }: GivenClient): ReactNode {
  const held = useMemo(() => ({ client, strings: { ...en, ...strings } }), [client, strings]);
  return <HeliographContext.Provider value={held}>{children}</HeliographContext.Provider>;
}

function useHeld(): Held {
  const held = useContext(HeliographContext);
  if (!held) throw new Error("Heliograph's hooks and components work inside <HeliographProvider> only");
  return held;
}

/** The client itself. */
export function useHeliograph(): Heliograph {
  return useHeld().client;
}

/** The words in force. */
export function useStrings(): Strings {
  return useHeld().strings;
}
