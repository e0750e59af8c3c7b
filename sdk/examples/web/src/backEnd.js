// The shop's own server: `heliograph/roles/demo.py`. It holds the server key; this page only ever has user tokens.
export async function userToken(user) {
  const { token } = await call("POST", "token", { user });
  return token;
}
/** The ids of the notifications; a campaign goes to both people. */
export async function send(kind, to, product) {
  const { ids } = await call("POST", "send", { kind, product, ...(to ? { to } : {}) });
  return ids;
}
/** Why it went where it went; null while it isn't known yet. */
export async function explain(id) {
  const response = await fetch(`/demo/api/explain?id=${encodeURIComponent(id)}`);
  if (response.status === 404) return null;
  return await checked(response).json();
}
export async function mailsAfter(id) {
  const { mails } = await call("GET", `mails?after=${encodeURIComponent(id)}`);
  return mails;
}
async function call(method, path, body) {
  const response = await fetch(`/demo/api/${path}`, {
    method,
    ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { "Content-Type": "application/json" } }),
  });
  return await checked(response).json();
}
function checked(response) {
  if (!response.ok) throw new Error(`the demo's server answered ${response.status}`);
  return response;
}
