/** What the service worker tells its pages: the browser made a new subscription, which the server must be told. */
export const SUBSCRIPTION_CHANGED = "heliograph:subscription-changed";
