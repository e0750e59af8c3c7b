// Sending from a back end: batching, retries under one key, errors, webhooks.

import { createHmac } from "node:crypto";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { HttpRequest, HttpResponse } from "../../src/ports.ts";
import { HeliographError, HeliographServer, type HeliographServerOptions, verifyWebhook } from "../../src/server.ts";

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

function accepted({ to, title }: Json): Answer {
  if (!Array.isArray(to)) return [202, { id: `ntf_${to}_${title}`, status: "accepted" }];
  return [202, { batch_id: "bat_1", accepted: to.length, ids: to.map((one) => `ntf_${one}_${title}`) }];
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
    const message = {
      to: { id: "ann", email: "ann@shop.example" },
      type: "transactional",
      title: "Hi",
      actionUrl: "https://shop.example",
      collapseKey: "c",
      ttlS: 60,
    } as const;
    await made.send(message);
    expect(calls[0]?.body).toEqual({
      to: { id: "ann", email: "ann@shop.example" },
      type: "transactional",
      title: "Hi",
      action_url: "https://shop.example",
      collapse_key: "c",
      ttl_s: 60,
    });
    expect(calls[0]?.headers).toMatchObject({
      Authorization: "Bearer hg_sk_1",
      "Idempotency-Key": expect.stringMatching(/^[\w-]{36}$/),
    });
    expect(calls[0]?.path).toBe("/v1/send");
  });

  test("a list: one request, ids in its order", async () => {
    const { made } = back();
    expect(await made.send({ to: ["ann", "bob"], title: "Hi" })).toEqual({
      batchId: "bat_1",
      ids: ["ntf_ann_Hi", "ntf_bob_Hi"],
    });
  });

  test("concurrent sends of one content share a request, each with its own id", async () => {
    const { made, calls } = back();
    const sent = await Promise.all(["ann", "bob", "eve"].map((to) => made.send({ to, title: "Hi" })));
    expect(sent.map(({ id }) => id)).toEqual(["ntf_ann_Hi", "ntf_bob_Hi", "ntf_eve_Hi"]);
    expect(calls.map(({ body }) => body["to"])).toEqual([["ann", "bob", "eve"]]);
  });

  test("2,500 of one content go as three requests", async () => {
    const { made, calls } = back();
    const outcomes = await made.sendMany(
      Array.from({ length: 2_500 }, (_, number) => ({ to: `u${number}`, title: "Hi" })),
    );
    expect(outcomes[2_499]).toEqual({ id: "ntf_u2499_Hi", error: null });
    expect(calls.map(({ body }) => (body["to"] as unknown[]).length)).toEqual([1_000, 1_000, 500]);
  });

  test("different contents are requests of their own, a few at a time; what comes meanwhile collects", async () => {
    let [running, most] = [0, 0];
    const { made, calls } = back({ parallel: 2 }, async () => {
      most = Math.max(most, ++running);
      await vi.advanceTimersByTimeAsync(0);
      running--;
      return undefined;
    });
    const outcomes = await made.sendMany(
      Array.from({ length: 12 }, (_, number) => ({ to: `u${number}`, title: `${number % 6}` })),
    );
    expect(outcomes.every(({ error }) => error === null)).toBe(true);
    expect(most).toBe(2);
    expect(calls).toHaveLength(6);
  });

  test("a key of the caller's is used as it is, alone", async () => {
    const { made, calls } = back();
    await Promise.all([
      made.send({ to: "ann", title: "Hi", idempotencyKey: "order-1" }),
      made.send({ to: "bob", title: "Hi" }),
    ]);
    expect(
      calls.map(({ body, headers }) => [
        body["to"],
        headers["Idempotency-Key"] === "order-1",
        "idempotencyKey" in body,
      ]),
    ).toEqual(
      expect.arrayContaining([
        ["ann", true, false],
        ["bob", false, false],
      ]),
    );
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
    expect(new Set(calls.map(({ headers }) => headers["Idempotency-Key"])).size).toBe(1);
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

  test("one bad recipient among many doesn't stop the others", async () => {
    const { made } = back({}, ({ body: { to } }) =>
      [to].flat().includes("bad") ? refused(422, "invalid") : undefined,
    );
    const outcomes = await made.sendMany(["a", "b", "bad", "c", "d"].map((to) => ({ to, title: "Hi" })));
    expect(outcomes.map(({ id, error }) => id ?? error?.code)).toEqual([
      "ntf_a_Hi",
      "ntf_b_Hi",
      "invalid",
      "ntf_c_Hi",
      "ntf_d_Hi",
    ]);
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
