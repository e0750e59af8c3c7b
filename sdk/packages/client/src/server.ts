// `@heliograph/client/server`: for back ends in Node. Holds a server key, so it must never reach a browser.

export { type FieldError, HeliographError } from "./errors.ts";
export { HeliographServer } from "./server/heliograph-server.ts";
export type { HeliographServerOptions, Outcome, Recipient, Send, SendList, Sent, SentList } from "./server/types.ts";
export { verifyWebhook } from "./server/webhooks.ts";
