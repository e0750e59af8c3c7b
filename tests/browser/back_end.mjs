// A back end in Node: sends by the built client and prints what came of it. Arguments: where the client stands, the
// system's URL, a server key.
const [client, baseUrl, key] = process.argv.slice(2);
const { HeliographError, HeliographServer } = await import(client);
const heliograph = new HeliographServer({ baseUrl, key });

const one = await heliograph.send({ to: { id: "ann", email: "ann@shop.example" }, title: "One", actionUrl: "https://shop.example" });
const again = { to: "ann", title: "Once", idempotencyKey: "order-1" };
const twice = [await heliograph.send(again), await heliograph.send(again)];
const list = await heliograph.send({ to: ["ann", "bob"], title: "A list" });
const many = await heliograph.sendMany(
  Array.from({ length: 300 }, (_, number) => (number === 7 ? { to: "ann" } : { to: `user-${number}`, title: `${number}` })),
);
const refusal = await heliograph.send({ to: "ann", title: "No", actionUrl: "javascript:alert(1)" }).catch((error) => error);
const stranger = new HeliographServer({ baseUrl, key: "hg_sk_nobody" });
const strange = await stranger.send({ to: "ann", title: "No" }).catch((error) => error);
console.log(
  JSON.stringify({
    one: one.id,
    twice: twice.map(({ id }) => id),
    list: list.ids,
    accepted: many.filter(({ error }) => error === null).length,
    rejected: many.flatMap(({ error }, index) => (error ? [[index, error.code]] : [])),
    refusal: [refusal instanceof HeliographError, refusal.code, refusal.status, refusal.errors[0].path],
    strange: [strange.code, strange.status],
    token: await heliograph.userToken("ann"),
  }),
);
