// The worker's half: one SendGrid call a job. BullMQ's documentation on concurrency: I/O-bound jobs, 100 to 300 at once.
import { Worker } from "bullmq";
import { Pool } from "undici";

const CONCURRENCY = 200;
const sendgrid = new URL(process.env.PEER_SENDGRID_URL);
const provider = new Pool(sendgrid.origin, { connections: 100 });
const headers = { authorization: `Bearer ${process.env.PEER_SENDGRID_KEY}`, "content-type": "application/json" };

async function mail({ data: { to, title, body } }) {
  const answer = await provider.request({
    method: "POST",
    path: `${sendgrid.pathname}/v3/mail/send`,
    headers,
    body: JSON.stringify({
      personalizations: [{ to: [{ email: to }] }],
      from: { email: "shop@example.com" },
      subject: title,
      content: [{ type: "text/plain", value: body }],
    }),
  });
  await answer.body.dump();
  if (answer.statusCode !== 202) throw new Error(`SendGrid answered ${answer.statusCode}`);
}

const connection = { url: process.env.PEER_REDIS_URL, maxRetriesPerRequest: null };
const worker = new Worker("mails", mail, { connection, concurrency: CONCURRENCY });
process.on("SIGTERM", async () => {
  await worker.close();
  process.exit(0);
});
