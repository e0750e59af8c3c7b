// The shop's own server, `back-end.mjs`. It holds the server key; the app only ever has user tokens.

export type PersonId = "demo-ada" | "demo-grace";
export type Kind = "order" | "alert" | "campaign";

/** Where Heliograph answers, as the phone sees it. */
export const HELIOGRAPH = process.env.EXPO_PUBLIC_HELIOGRAPH ?? "http://127.0.0.1:8080";
const BACK_END = process.env.EXPO_PUBLIC_BACK_END ?? "http://127.0.0.1:3000";

export async function userToken(user: PersonId): Promise<string> {
  const answer = (await (await post("token", { user })).json()) as { token: string };
  return answer.token;
}

export async function send(kind: Kind, to: PersonId): Promise<void> {
  await post("send", { kind, to });
}

async function post(path: string, body: object): Promise<Response> {
  const headers = { "Content-Type": "application/json" };
  const response = await fetch(`${BACK_END}/${path}`, { method: "POST", headers, body: JSON.stringify(body) });
  if (!response.ok) throw new Error(`the shop's server answered ${response.status}`);
  return response;
}
