// Sending from a back end: batching, retries under one key, errors, webhooks.

import { createHmac } from "node:crypto";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { HttpRequest, HttpResponse } from "../../src/ports.ts";
import {
  HeliographError,
  HeliographServer,
  type HeliographServerOptions,
  type Send,
  verifyWebhook,
} from "../../src/server.ts";

type Json = Record<string, unknown>;
interface Call {
  readonly body: Json;
  readonly headers: Readonly<Record<string, string>>;
  readonly path: string;
}
type Answer = readonly [number, Json, Record<string, string>?];

/** Answers by `reply`, else as the server does. */
function back(
  options: Partial<HeliographServerOptions> = {},
  reply: (call: Call) => Answer | undefined | Promise<Answer | undefined> = () => undefined,
) {
  const calls: Call[] = [];
  const fetch = async (url: string, request: HttpRequest): Promise<HttpResponse> => {
    const call = { body: JSON.parse(request.body ?? "{}"), headers: request.headers, path: new URL(url).pathname };
    calls.push(call);
    const [status, body, headers = {}] = (await reply(call)) ?? accepted(call.body);
    return { status, header: (name) => headers[name] ?? null, text: async () => JSON.stringify(body) };
  };
  const made = new HeliographServer({
    baseUrl: "http://notify.test/",
    key: "hg_sk_1",
    transport: { fetch },
    ...options,
  });
  return { made, calls };
}

function accepted(body: Json | Json[]): Answer {
  if (Array.isArray(body)) return bulk(body, () => true);
  const { to, title } = body;
  if (!Array.isArray(to)) return [202, { id: `ntf_${to}_${title}`, status: "accepted" }];
  return [202, { batch_id: "bat_1", accepted: to.length, ids: to.map((one) => `ntf_${one}_${title}`) }];
}

function bulk(sends: readonly Json[], good: (send: Json) => boolean): Answer {
  const ids = sends.map((send) => (good(send) ? `ntf_${send["to"]}_${send["title"]}` : null));
  const rejected = ids.flatMap((id, index) => (id === null ? [{ index, code: "invalid", detail: "to: no" }] : []));
  return [202, { batch_id: "bat_1", accepted: ids.length - rejected.length, ids, rejected }];
}

const refused = (status: number, code: string): Answer => [
  status,
  { code, detail: code, errors: [{ path: "to", message: "no" }] },
];
const unavailable: Answer = [503, { code: "overloaded", detail: "later" }, { "Retry-After": "2" }];

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe("send", () => {
  test("one: the wire's names, a key of its own, the answer's id", async () => {
    const { made, calls } = back();
    const to = { id: "ann", email: "ann@shop.example" };
    const content = {
      type: "transactional",
      title: "Hi",
      actionUrl: "https://shop.example",
      collapseKey: "c",
      ttlS: 60,
    };
    await made.send({ to, ...content } as Send);
    expect(calls).toHaveLength(1);
    expect(calls[0]).toMatchObject({ path: "/v1/send", headers: { Authorization: "Bearer hg_sk_1" } });
    expect(calls[0]?.body).toEqual({
      to,
      type: "transactional",
      title: "Hi",
      action_url: "https://shop.example",
      collapse_key: "c",
      ttl_s: 60,
      idempotency_key: expect.stringMatching(/^[\w-]{36}$/),
    });
  });

  test("a list: one request, ids in its order", async () => {
    const { made } = back();
    const sent = await made.send({ to: ["ann", "bob"], title: "Hi" });
    expect(sent).toEqual({ batchId: "bat_1", ids: ["ntf_ann_Hi", "ntf_bob_Hi"] });
  });

  test("concurrent sends share a request, each with its own content, key and id", async () => {
    const { made, calls } = back();
    const sends = [
      made.send({ to: "ann", title: "1" }),
      made.send({ to: "bob", title: "2" }),
      made.send({ to: "eve", title: "3", idempotencyKey: "order-1" }),
    ];
    expect((await Promise.all(sends)).map(({ id }) => id)).toEqual(["ntf_ann_1", "ntf_bob_2", "ntf_eve_3"]);
    expect(calls.map(({ path }) => path)).toEqual(["/v1/send/bulk"]);
    const sent = (calls[0]?.body ?? []) as unknown as Json[];
    const keys = sent.map(({ idempotency_key: key }) => key);
    expect([new Set(keys).size, keys[2]]).toEqual([3, "order-1"]);
  });

  test("what comes while requests are under way collects; a few requests at a time", async () => {
    let release: () => void = () => undefined;
    const answered = new Promise<void>((resolve) => {
      release = resolve;
    });
    const { made, calls } = back({ parallel: 1 }, async () => {
      await answered;
      return undefined;
    });
    const sends = [made.send({ to: "u0", title: "Hi" })];
    for (let number = 1; number < 100; number++) {
      await Promise.resolve();
      sends.push(made.send({ to: `u${number}`, title: "Hi" }));
    }
    release();
    expect((await Promise.all(sends))[99]).toEqual({ id: "ntf_u99_Hi" });
    expect(calls).toHaveLength(2);
  });

  test.each([
    [25_000, 1, [10_000, 10_000, 5_000]],
    [6, 2_000_000, [2, 2, 2]],
    [1, 6_000_000, [1]],
  ])("%i sends of %i characters go as %o", async (count, size, wanted) => {
    const { made, calls } = back();
    const outcomes = await made.sendMany(Array.from({ length: count }, () => ({ to: "ann", body: "x".repeat(size) })));
    expect(outcomes.every(({ error }) => error === null)).toBe(true);
    expect(calls.map(({ body }) => (Array.isArray(body) ? body.length : 1))).toEqual(wanted);
  });
});

describe("failures", () => {
  test("what may pass is tried again under the same key, not before the server's time", async () => {
    const answers: (Answer | Error)[] = [unavailable, new Error("reset")];
    const { made, calls } = back({}, () => {
      const answer = answers.shift();
      if (answer instanceof Error) throw answer;
      return answer;
    });
    const sent = made.send({ to: "ann", title: "Hi" });
    await vi.advanceTimersByTimeAsync(1_999);
    expect(calls).toHaveLength(1);
    await vi.runAllTimersAsync();
    expect(await sent).toEqual({ id: "ntf_ann_Hi" });
    expect(new Set(calls.map(({ body }) => body["idempotency_key"])).size).toBe(1);
    expect(calls).toHaveLength(3);
  });

  test("five tries, then the last error", async () => {
    const { made, calls } = back({}, () => [500, { code: "internal", detail: "a bug" }]);
    const sent = made.send({ to: "ann", title: "Hi" }).catch((error: unknown) => error);
    await vi.runAllTimersAsync();
    expect(await sent).toMatchObject({ code: "internal", status: 500 });
    expect(calls).toHaveLength(5);
  });

  test("a server that isn't there", async () => {
    const { made } = back({ tries: 2 }, () => {
      throw new Error("ECONNREFUSED");
    });
    const sent = made.send({ to: "ann", title: "Hi" }).catch((error: unknown) => error);
    await vi.runAllTimersAsync();
    expect(await sent).toMatchObject({ code: "network", status: 0 });
  });

  test("a refusal is not repeated, and names the fields", async () => {
    const { made, calls } = back({}, () => refused(422, "invalid"));
    const error = await made.send({ to: "ann", title: "" }).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(HeliographError);
    expect(error).toMatchObject({ code: "invalid", errors: [{ path: "to", message: "no" }] });
    expect(calls).toHaveLength(1);
  });

  test("one bad send among many doesn't stop the others", async () => {
    const { made } = back({}, ({ body }) => bulk(body as unknown as Json[], ({ to }) => to !== "bad"));
    const outcomes = await made.sendMany(["a", "bad", "c"].map((to) => ({ to, title: "Hi" })));
    expect(outcomes.map(({ id }) => id)).toEqual(["ntf_a_Hi", null, "ntf_c_Hi"]);
    expect(outcomes[1]?.error).toMatchObject({ code: "invalid", message: "to: no", status: 422 });
  });

  test("an answer with too few ids leaves nobody waiting", async () => {
    const { made } = back({}, () => [202, { ids: ["ntf_1"], rejected: "?" }]);
    const outcomes = await made.sendMany(["a", "b"].map((to) => ({ to, title: "Hi" })));
    expect(outcomes.map(({ id, error }) => id ?? error?.code)).toEqual(["ntf_1", "protocol"]);
  });

  test("a wrong key is told once, not recipient by recipient", async () => {
    const { made, calls } = back({}, () => refused(401, "unauthorized"));
    const outcomes = await made.sendMany(["a", "b", "c"].map((to) => ({ to, title: "Hi" })));
    expect([outcomes.map(({ error }) => error?.code), calls.length]).toEqual([Array(3).fill("unauthorized"), 1]);
  });

  test.each<[string, Json]>([
    ["no id", {}],
    ["another type", { id: 7 }],
  ])("an answer with %s is an error", async (_, answer) => {
    const { made } = back({}, () => [202, answer]);
    await expect(made.send({ to: "ann", title: "Hi" })).rejects.toMatchObject({ code: "protocol" });
  });
});

test("a user's token for getToken", async () => {
  const { made, calls } = back({}, () => [200, { token: "e.y.J", expires_at: "" }]);
  expect(await made.userToken("a/b", 60)).toBe("e.y.J");
  expect([calls[0]?.path, calls[0]?.body]).toEqual(["/v1/users/a%2Fb/token", { ttl_s: 60 }]);
});

describe("webhooks", () => {
  const secret = `whsec_${Buffer.from("a secret of 24 bytes or so").toString("base64")}`;
  const body = JSON.stringify({ type: "notification.delivered", data: { id: "ntf_1", title: "für Zoë" } });
  const now = () => Math.floor(Date.now() / 1_000);

  function signed(content: string, at = now()): Record<string, string> {
    const key = Buffer.from(secret.slice(6), "base64");
    const signature = createHmac("sha256", key).update(`msg_1.${at}.${content}`).digest("base64");
    return {
      "webhook-id": "msg_1",
      "webhook-timestamp": `${at}`,
      "webhook-signature": `v1,bm90IHRoaXM= v1,${signature}`,
    };
  }

  test("a genuine one gives its content, from text or bytes", () => {
    expect(verifyWebhook(body, signed(body), secret)).toEqual(JSON.parse(body));
    expect(verifyWebhook(Buffer.from(body), signed(body), secret)).toEqual(JSON.parse(body));
  });

  test.each<[string, () => Record<string, string | string[]>]>([
    ["another body", () => signed(`${body} `)],
    ["too old", () => signed(body, now() - 301)],
    ["from the future", () => signed(body, now() + 301)],
    ["no headers", () => ({})],
    ["a header twice", () => ({ ...signed(body), "webhook-id": ["msg_1", "msg_1"] })],
    ["no signature", () => ({ ...signed(body), "webhook-signature": "v1," })],
  ])("%s is refused", (_, headers) => {
    expect(() => verifyWebhook(body, headers(), secret)).toThrow(
      expect.objectContaining({ code: "invalid_signature", status: 401 }),
    );
  });
});
