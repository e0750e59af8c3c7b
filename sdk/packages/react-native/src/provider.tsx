// The provider on a phone: the hooks' own one, with the phone as environment, the app's storage, and this installation's
// push device on the live connection.

import { Heliograph, type KeyValueStorage } from "@heliograph/client";
import { type GivenClient, HeliographProvider as HooksProvider, type OwnClient } from "@heliograph/react/hooks";
import { createContext, type ReactNode, useContext, useEffect, useRef, useState } from "react";
import { type NativeEnvironmentOptions, nativeEnvironment } from "./environment.ts";
import { PushRecords } from "./push/registration.ts";
import { keyValueStorage, type NativeStorage } from "./storage.ts";
import { type ThemeOptions, ThemeProvider } from "./theme.tsx";

interface Look {
  readonly theme?: ThemeOptions | undefined;
}

interface NativeGivenClient extends GivenClient, Look {
  /** Where the push registration is kept. The client has its own. */
  readonly storage?: NativeStorage | null | undefined;
}

interface NativeOwnClient
  extends Omit<OwnClient, "storage" | "environment" | "crossTab" | "device">,
    NativeEnvironmentOptions,
    Look {
  /** AsyncStorage, an MMKV instance, or any KeyValueStorage: the list then shows before the first answer, and offline. */
  readonly storage?: NativeStorage | null | undefined;
}

export type HeliographProviderProps = NativeGivenClient | NativeOwnClient;

/** What the push registration needs of the provider. */
export interface Phone {
  readonly records: PushRecords;
  /** The live connection carries this device id from now on. */
  readonly setDevice: (id: string | null) => void;
}

const PhoneContext = createContext<Phone | null>(null);

export function usePhone(): Phone {
  const phone = useContext(PhoneContext);
  if (!phone)
    throw new Error("usePushRegistration works inside the <HeliographProvider> of @heliograph/react-native only");
  return phone;
}

const NO_CHANGES: ThemeOptions = {};

export function HeliographProvider(props: HeliographProviderProps): ReactNode {
  return (
    <ThemeProvider theme={props.theme ?? NO_CHANGES}>
      {props.client ? <Given {...props} /> : <Owner key={`${props.baseUrl} ${props.userId ?? ""}`} {...props} />}
    </ThemeProvider>
  );
}

function Given({ client, storage, strings, children }: NativeGivenClient): ReactNode {
  const [phone] = useState<Phone>(() => ({ records: new PushRecords(storageOf(storage), ""), setDevice: () => {} }));
  return (
    <PhoneContext.Provider value={phone}>
      <HooksProvider client={client} strings={strings}>
        {children}
      </HooksProvider>
    </PhoneContext.Provider>
  );
}

function Owner(props: NativeOwnClient): ReactNode {
  const latest = useRef(props);
  useEffect(() => {
    latest.current = props; // the newest closures, without a new client for each
  });
  const [own] = useState(() => new OwnPhone(props, latest));
  const { enabled = true, strings, children } = props;
  useEffect(() => (enabled ? own.start() : undefined), [own, enabled]);
  return (
    <PhoneContext.Provider value={own}>
      <HooksProvider client={own.client} strings={strings}>
        {children}
      </HooksProvider>
    </PhoneContext.Provider>
  );
}

/** One installation with one person signed in: the client, and the push device that its connection carries. */
class OwnPhone implements Phone {
  readonly client: Heliograph;
  readonly records: PushRecords;
  #device: string | undefined;
  #running = false;

  constructor(props: NativeOwnClient, latest: { readonly current: NativeOwnClient }) {
    const storage = storageOf(props.storage);
    const device = () => this.#device;
    this.records = new PushRecords(storage, props.baseUrl);
    this.client = new Heliograph({
      baseUrl: props.baseUrl,
      transport: props.transport,
      logger: props.logger,
      getToken: () => latest.current.getToken(),
      onUnauthorized: (error) => latest.current.onUnauthorized?.(error),
      storage,
      environment: nativeEnvironment(props),
      // Read for each connection: the device may be registered long after the first.
      get device() {
        return device();
      },
    });
  }

  /** Connects once it is known which push device this is, so that no push comes for what the screen shows. */
  start(): () => void {
    this.#running = true;
    void this.records.load().then((record) => {
      this.#device ??= record?.id;
      if (this.#running) this.client.start();
    });
    return () => {
      this.#running = false;
      void this.client.stop();
    };
  }

  readonly setDevice = (id: string | null): void => {
    if (this.#device === (id ?? undefined)) return;
    this.#device = id ?? undefined;
    if (!this.#running) return;
    void this.client.stop().then(() => this.#running && this.client.start());
  };
}

function storageOf(storage: NativeStorage | null | undefined): KeyValueStorage | null {
  return storage ? keyValueStorage(storage) : null;
}
