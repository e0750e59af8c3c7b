// The provider on a phone: the hooks' own one, with the phone as environment, the app's storage, and this installation's
// push device on the live connection.

import type { KeyValueStorage } from "@heliograph/client";
import {
  type GivenClient,
  HeliographProvider as HooksProvider,
  type OwnClient,
  useHeliograph,
} from "@heliograph/react/hooks";
import { createContext, type ReactNode, useContext, useEffect, useRef, useState } from "react";
import { type NativeEnvironmentOptions, nativeEnvironment } from "./environment.ts";
import { tokenForStart } from "./offlineStart.ts";
import { PushRecords } from "./push/registration.ts";
import { keyValueStorage, type NativeStorage } from "./storage.ts";
import { type ThemeOptions, ThemeProvider } from "./theme.tsx";

interface Common {
  readonly theme?: ThemeOptions | undefined;
}

/** A client that the app made, with `nativeEnvironment()`; the app starts and stops it. */
export interface NativeGivenClient extends GivenClient, Common {
  /** Where the push registration is kept; the client has its own. */
  readonly storage?: NativeStorage | null | undefined;
}

/** The provider makes the client, starts it and stops it. */
export interface NativeOwnClient
  extends Omit<OwnClient, "storage" | "environment" | "crossTab" | "device">,
    NativeEnvironmentOptions,
    Common {
  /**
   * AsyncStorage, an MMKV instance, or any KeyValueStorage: the list then shows before the first answer. With `userId` it
   * also shows when the app starts without a network, and so without a token.
   */
  readonly storage?: NativeStorage | null | undefined;
}

export type HeliographProviderProps = NativeGivenClient | NativeOwnClient;

const UNCHANGED: ThemeOptions = {};

export function HeliographProvider({ theme = UNCHANGED, ...props }: HeliographProviderProps): ReactNode {
  return (
    <ThemeProvider theme={theme}>
      {props.client ? <Given {...props} /> : <Own key={`${props.baseUrl} ${props.userId ?? ""}`} {...props} />}
    </ThemeProvider>
  );
}

function Given({ storage, children, ...given }: NativeGivenClient): ReactNode {
  const [records] = useState(() => new PushRecords(storageOf(storage), ""));
  return (
    <HooksProvider {...given}>
      <RecordsContext.Provider value={records}>{children}</RecordsContext.Provider>
    </HooksProvider>
  );
}

function Own({ storage, netInfo, backgroundGraceMs, enabled = true, children, ...own }: NativeOwnClient): ReactNode {
  const latest = useLatest(own);
  const [parts] = useState(() => {
    const { baseUrl, userId } = own;
    const kept = storageOf(storage);
    const environment = nativeEnvironment({ netInfo, backgroundGraceMs });
    const ask = () => latest.current.getToken();
    const getToken =
      kept && userId !== undefined
        ? tokenForStart({ getToken: ask, storage: kept, clock: environment.clock, baseUrl, userId })
        : ask;
    return { options: { storage: kept, environment, getToken }, records: new PushRecords(kept, baseUrl) };
  });
  const { options, records } = parts;
  const device = useKnownDevice(records);
  return (
    <HooksProvider {...own} {...options} enabled={enabled && device !== undefined}>
      <RecordsContext.Provider value={records}>
        <Carried device={device ?? null} />
        {children}
      </RecordsContext.Provider>
    </HooksProvider>
  );
}

/** The device id of the last start; undefined while it is read, null if there is none. */
function useKnownDevice(records: PushRecords): string | null | undefined {
  const [device, setDevice] = useState<string | null>();
  useEffect(() => {
    let here = true;
    void records.load().then((record) => here && setDevice(record?.id ?? null));
    return () => {
      here = false;
    };
  }, [records]);
  return device;
}

/** Gives the client its device before it connects: an effect of a child runs before the provider's, which starts it. */
function Carried({ device }: { readonly device: string | null }): null {
  const client = useHeliograph();
  useEffect(() => client.setDevice(device), [client, device]);
  return null;
}

const RecordsContext = createContext<PushRecords | null>(null);

/** Where the push registration of this installation is kept. */
export function usePushRecords(): PushRecords {
  const records = useContext(RecordsContext);
  if (!records)
    throw new Error("usePushRegistration works inside the HeliographProvider of @heliograph/react-native only");
  return records;
}

/** The newest value for who is called later. */
function useLatest<T>(value: T): { readonly current: T } {
  const latest = useRef(value);
  useEffect(() => {
    latest.current = value;
  });
  return latest;
}

function storageOf(storage: NativeStorage | null | undefined): KeyValueStorage | null {
  return storage ? keyValueStorage(storage) : null;
}
