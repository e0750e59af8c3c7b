// The shop's own server in small: mints user tokens and sends, so that the server key never leaves this machine. It asks
// for no credentials, which is for a demo on your own network only.
//
//   HELIOGRAPH_KEY=hg_sk_… node back-end.mjs

import { createServer } from "node:http";

const { HELIOGRAPH_KEY, HELIOGRAPH_URL = "http://127.0.0.1:8080", HOST = "127.0.0.1", PORT = "3000" } = process.env;
if (!HELIOGRAPH_KEY) throw new Error("HELIOGRAPH_KEY is the server key that `heliograph up` prints");

const PEOPLE = { "demo-ada": "Ada", "demo-grace": "Grace" };

const CONTENTS = {
  order: {
    type: "transactional",
    category: "order.placed",
    title: "Order confirmed: Storm lamp",
    body: "Thank you. We are packing it now and tell you when it leaves the harbour.",
  },
  alert: {
    type: "alert",
    category: "stock.low",
    title: "Only two left: Signal mirror",
    body: "You asked us to tell you. The next delivery is three weeks away.",
  },
  campaign: {
    type: "marketing",
    category: "marketing.news",
    title: "Midwinter sale: a fifth off all lamps",
    body: "For the long nights, until Sunday. Letters like this one can be turned off in the preferences.",
  },
};

async function heliograph(path, body) {
  const headers = { Authorization: `Bearer ${HELIOGRAPH_KEY}`, "Content-Type": "application/json" };
  const response = await fetch(HELIOGRAPH_URL + path, { method: "POST", headers, body: JSON.stringify(body) });
  return [response.status, await response.text()];
}

const recipient = (id) => ({ id, name: PEOPLE[id], email: `${PEOPLE[id].toLowerCase()}@shop.example` });

/** A campaign goes to everybody. */
function answer(path, { user, to, kind }) {
  if (path === "/token" && user in PEOPLE) return heliograph(`/v1/users/${user}/token`, { ttl_s: 900 });
  if (path !== "/send" || !(kind in CONTENTS) || !(to in PEOPLE)) return [404, "{}"];
  const people = kind === "campaign" ? Object.keys(PEOPLE).map(recipient) : recipient(to);
  return heliograph("/v1/send", { ...CONTENTS[kind], to: people });
}

createServer(async (request, response) => {
  try {
    const body = JSON.parse(Buffer.concat(await request.toArray()).toString() || "{}");
    const [status, text] = await answer(request.url, body);
    response.writeHead(status, { "Content-Type": "application/json" }).end(text);
  } catch (error) {
    response.writeHead(502, { "Content-Type": "application/json" }).end(JSON.stringify({ detail: String(error) }));
  }
}).listen(Number(PORT), HOST, () => process.stdout.write(`The shop's server is on http://${HOST}:${PORT}\n`));
