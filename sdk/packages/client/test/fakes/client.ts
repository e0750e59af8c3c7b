// A client in a fake world, as a test begins with one.

import { Heliograph } from "../../src/heliograph.ts";
import type { HeliographOptions, Notification } from "../../src/types.ts";
import { settle } from "./clock.ts";
import { FakeEnvironment } from "./environment.ts";
import { FakeServer, tokenOf } from "./server.ts";

export interface World {
  readonly client: Heliograph;
  readonly server: FakeServer;
  readonly environment: FakeEnvironment;
  /** How often getToken was called. */
  readonly asked: () => number;
  readonly told: string[];
  readonly warnings: string[];
}

export function world(options: Partial<HeliographOptions> = {}, server = new FakeServer()): World {
  const environment = (options.environment as FakeEnvironment | undefined) ?? new FakeEnvironment();
  let asked = 0;
  const { getToken = () => tokenOf("ann"), ...others } = options;
  const client = new Heliograph({
    baseUrl: "http://notify.test",
    environment,
    transport: server,
    ...others,
    getToken: () => {
      asked++;
      return getToken();
    },
  });
  const [told, warnings]: [string[], string[]] = [[], []];
  client.on("notification", ({ title }) => told.push(title));
  client.on("warning", ({ message }) => warnings.push(message));
  return { client, server, environment, asked: () => asked, told, warnings };
}

/** Started and connected. */
export async function connected(options: Partial<HeliographOptions> = {}, server = new FakeServer()): Promise<World> {
  const made = world(options, server);
  made.client.start();
  await settle();
  return made;
}

export function titles(notifications: readonly Notification[]): string[] {
  return notifications.map(({ title }) => title);
}
