// What the client sends is what the server's OpenAPI document takes. The document is `sdk/openapi.json`; that it is the
// running server's own is tested on the server's side (tests/unit/roles/api/test_sdk.py).

import { readFile } from "node:fs/promises";
import openapiTS, { astToString } from "openapi-typescript";
import { describe, expect, expectTypeOf, test } from "vitest";
import type { Mark } from "../src/marks.ts";
import type { Content } from "../src/server/types.ts";
import { HeliographServer } from "../src/server.ts";
import type { DeviceKind, InboxFilter } from "../src/types.ts";
import { connected } from "./fakes/client.ts";
import { settle } from "./fakes/clock.ts";
import { FakeServer } from "./fakes/server.ts";
import type { components, paths } from "./openapi.ts";

const document = new URL("../../../openapi.json", import.meta.url);
type Schemas = components["schemas"];

interface Operation {
  readonly parameters?: readonly { readonly name: string; readonly in: string }[];
  readonly requestBody?: unknown;
}

test("the generated types are the document's", async () => {
  const generated = astToString(await openapiTS(document, { defaultNonNullable: false }));
  expect(await readFile(new URL("./openapi.ts", import.meta.url), "utf8")).toContain(generated);
});

/** Every request that the methods of the client make, in `METHOD /path?query`. */
async function made(): Promise<{ request: string; body: boolean }[]> {
  const server = new FakeServer();
  const found: { request: string; body: boolean }[] = [];
  const fetch = server.fetch.bind(server);
  server.fetch = async (url, request) => {
    found.push({
      request: `${request.method} ${url.replace(/^https?:\/\/[^/]+/, "")}`,
      body: request.body !== undefined,
    });
    return url.endsWith("/token")
      ? { status: 200, header: () => null, text: async () => '{"token":"t"}' }
      : fetch(url, request);
  };
  for (let number = 0; number < 30; number++) server.send(`${number}`);
  const { client, environment } = await connected({}, server);
  await client.inbox({ category: "news", unread: true, archived: true, limit: 3 }).refetch();
  await client.inbox().refetch();
  await client.inbox().fetchMore();
  const id = client.inbox().getSnapshot().notifications[0]?.id ?? "";
  for (const mark of ["seen", "read", "markUnread", "archive", "unarchive"] as const) await client[mark](id);
  await client.readAll();
  server.send("after read-all");
  await environment.clock.advance(5_000); // the count in doubt
  await client.preferences.update({ channels: { email: false } });
  await client.devices.register("webpush", { endpoint: "https://push.example" });
  await client.devices.remove("dev_1");
  const backEnd = new HeliographServer({ baseUrl: "http://notify.test", key: "k", tries: 1, transport: server });
  await backEnd.sendMany([{ to: "ann", title: "1" }]);
  await backEnd.sendMany([
    { to: "ann", title: "1" },
    { to: "bob", title: "2" },
  ]);
  await backEnd.userToken("ann");
  await settle();
  return found;
}

test("every call is in the document, with its parameters and its body", async () => {
  const { paths: known } = JSON.parse(await readFile(document, "utf8")) as {
    paths: Record<string, Record<string, Operation>>;
  };
  const used = new Set<string>();
  for (const { request, body } of await made()) {
    const [method = "", url = ""] = request.split(" ");
    const [path = "", query = ""] = url.split("?");
    const template = Object.keys(known)
      .sort((one, other) => Number(one.includes("{")) - Number(other.includes("{")))
      .find((one) => new RegExp(`^${one.replace(/\{\w+\}/g, "[^/]+")}$`).test(path));
    const operation = known[template ?? ""]?.[method.toLowerCase()];
    expect(operation, request).toBeDefined();
    const names = (operation?.parameters ?? []).filter((one) => one.in === "query").map(({ name }) => name);
    expect(names).toEqual(expect.arrayContaining([...new URLSearchParams(query).keys()]));
    expect(operation?.requestBody !== undefined, request).toBe(body);
    used.add(`${method} ${template}`);
  }
  const all = Object.entries(known).flatMap(([path, methods]) =>
    Object.keys(methods).map((one) => `${one.toUpperCase()} ${path}`),
  );
  expect([...used].sort()).toEqual(all.sort());
});

describe("types", () => {
  test("are the document's", () => {
    expectTypeOf<DeviceKind>().toEqualTypeOf<Schemas["DeviceInput"]["kind"]>();
    expectTypeOf<keyof InboxFilter | "cursor">().toEqualTypeOf<
      keyof NonNullable<paths["/v1/inbox"]["get"]["parameters"]["query"]>
    >();
    expectTypeOf<Mark>().toExtend<paths["/v1/inbox/{item_id}/{mark}"]["post"]["parameters"]["path"]["mark"]>();
    type Wire = Omit<Content, "actionUrl" | "imageUrl" | "collapseKey" | "ttlS" | "idempotencyKey"> &
      Record<"action_url" | "image_url" | "collapse_key" | "ttl_s" | "idempotency_key" | "to", unknown>;
    expectTypeOf<Exclude<keyof Schemas["SendRequest"], keyof Wire>>().toEqualTypeOf<never>();
    expectTypeOf<Exclude<keyof Wire, keyof Schemas["SendRequest"]>>().toEqualTypeOf<never>();
  });
});
