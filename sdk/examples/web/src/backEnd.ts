// The shop's own server: `heliograph/roles/demo.py`. It holds the server key; this page only ever has user tokens.

export type PersonId = "demo-ada" | "demo-grace";
export type Kind = "order" | "alert" | "campaign";

export interface Mail {
  readonly id: string;
  readonly at: string;
  readonly to: string;
  readonly title: string;
  readonly body: string;
}

export interface Decision {
  readonly because: string;
  /** Channels. */
  readonly chosen: readonly string[];
  /** A sentence for each channel. */
  readonly channels: Readonly<Record<string, string>>;
}

export interface Explanation {
  readonly id: string;
  readonly user: PersonId;
  readonly status: string;
  readonly decisions: readonly Decision[];
}

export async function userToken(user: PersonId): Promise<string> {
  const { token } = await call<{ token: string }>("POST", "token", { user });
  return token;
}

/** The ids of the notifications; a campaign goes to both people. */
export async function send(kind: Kind, to: PersonId | null, product: string): Promise<readonly string[]> {
  const { ids } = await call<{ ids: string[] }>("POST", "send", { kind, product, ...(to ? { to } : {}) });
  return ids;
}

/** Why it went where it went; null while it isn't known yet. */
export async function explain(id: string): Promise<Explanation | null> {
  const response = await fetch(`/demo/api/explain?id=${encodeURIComponent(id)}`);
  if (response.status === 404) return null;
  return (await checked(response).json()) as Explanation;
}

export async function mailsAfter(id: string): Promise<readonly Mail[]> {
  const { mails } = await call<{ mails: Mail[] }>("GET", `mails?after=${encodeURIComponent(id)}`);
  return mails;
}

async function call<Answer>(method: string, path: string, body?: unknown): Promise<Answer> {
  const response = await fetch(`/demo/api/${path}`, {
    method,
    ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { "Content-Type": "application/json" } }),
  });
  return (await checked(response).json()) as Answer;
}

function checked(response: Response): Response {
  if (!response.ok) throw new Error(`the demo's server answered ${response.status}`);
  return response;
}
