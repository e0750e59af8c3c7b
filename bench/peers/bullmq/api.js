// The API's half: POST /send validates, writes the document (if there is a MongoDB), enqueues, answers 202.
import { randomUUID } from "node:crypto";
import { Queue } from "bullmq";
import express from "express";
import { MongoClient } from "mongodb";

const queue = new Queue("mails", { connection: { url: process.env.PEER_REDIS_URL } });
// Express' documentation: NODE_ENV=production. BullMQ's "Going to production": remove what is done, retry with backoff.
const options = { attempts: 5, backoff: { type: "exponential", delay: 1000 }, removeOnComplete: true };

const mongo = process.env.PEER_MONGO_URL && new MongoClient(process.env.PEER_MONGO_URL);
const notifications = mongo?.db("peer").collection("notifications", { writeConcern: { w: "majority", journal: true } });

const valid = (send) => [send?.to?.id, send?.to?.email, send?.type, send?.title, send?.body].every((one) => typeof one === "string");

const app = express().disable("x-powered-by").disable("etag");
app.use(express.json());
app.get("/readyz", (_, response) => response.json({}));
app.post("/send", async ({ body: send }, response) => {
  if (!valid(send)) return response.status(422).json({ status: 422 });
  const id = randomUUID();
  await notifications?.insertOne({ _id: id, ...send, created_at: new Date() });
  await queue.add("mail", { to: send.to.email, title: send.title, body: send.body }, { ...options, jobId: id });
  response.status(202).json({ id, status: "accepted" });
});
app.listen(Number(process.env.PEER_PORT), "127.0.0.1");
