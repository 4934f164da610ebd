// `npm run bench:delivery`: replies a second over many routes to a local receiver, and the ratio to
// posting the same bodies without any durability, at the same concurrency. Ends with 1 when the ratio
// is too low, with 2 when nothing could be measured.
import { cpus } from "node:os";
import { createDeliveryClient, createIdentityClient } from "@lanekeeper/client";
import { Disposal } from "@lanekeeper/service";
import { eventually, startConstellation } from "@lanekeeper/testing";
import { Pool } from "undici";
import { closedLoop } from "./closed-loop.ts";
import { enqueueAll, makeTargets } from "./replies.ts";
import { type Sink, startSink } from "./sink-process.ts";
import { SIZES } from "./sizes.ts";

const TOTAL = SIZES.routes * SIZES.messagesPerRoute;
const TEXT = "x".repeat(SIZES.textChars);

interface Measured {
  readonly ours: number;
  readonly bare: number;
  readonly repeats: number;
}

async function measure(opened: Disposal): Promise<Measured> {
  const sink = opened.use(await startSink());
  console.error("starting the services and Postgres");
  const env = { LANEKEEPER_LOG_LEVEL: "warn", LANEKEEPER_WEBHOOK_ALLOW_PRIVATE: "127.0.0.0/8" };
  const lane = opened.use(await startConstellation({ env }));
  const to = (service: "session-identity" | "delivery") => ({
    target: lane.targets[service],
    credential: lane.credential("runner"),
    defaults: { tenant: "default", principal: "bench" },
  });
  const identity = createIdentityClient(to("session-identity"));
  const delivery = createDeliveryClient(to("delivery"));
  opened.defer(() => identity.$close());
  opened.defer(() => delivery.$close());
  console.error(`registering ${SIZES.routes} routes`);
  const targets = await makeTargets(identity, delivery, sink.origin);
  console.error("posting without durability");
  const bare = await postBare(sink);
  console.error(`delivering ${TOTAL} replies`);
  const before = await sink.count();
  const startedMs = performance.now();
  await enqueueAll(delivery, targets, TEXT);
  const isSent = async () => (await sink.count()).distinct - before.distinct >= TOTAL;
  await eventually(isSent, { timeoutMs: SIZES.wholeRunMs, pollMs: 50, what: "all were sent" });
  const seconds = (performance.now() - startedMs) / 1_000;
  const after = await sink.count();
  const repeats = after.posts - before.posts - (after.distinct - before.distinct);
  return { ours: TOTAL / seconds, bare, repeats };
}

/** The same bodies, over connections that are kept. */
async function postBare(sink: Sink): Promise<number> {
  const pool = new Pool(sink.origin, { connections: SIZES.inFlight });
  const body = JSON.stringify({ type: "reply", text: TEXT, parts: [{ type: "text", text: TEXT }] });
  const headers = { "content-type": "application/json" };
  const post = async (n: number): Promise<void> => {
    const path = `/hooks/${n % SIZES.routes}`;
    const answer = await pool.request({ method: "POST", path, headers, body });
    await answer.body.dump();
  };
  await closedLoop(TOTAL, SIZES.inFlight, post);
  const startedMs = performance.now();
  await closedLoop(TOTAL, SIZES.inFlight, post);
  const seconds = (performance.now() - startedMs) / 1_000;
  await pool.close();
  return TOTAL / seconds;
}

function report({ ours, bare, repeats }: Measured): boolean {
  const ratio = ours / bare;
  console.log(`Node ${process.versions.node}, ${cpus().length} cores, everything on this machine`);
  console.log(`${TOTAL} replies of ${SIZES.textChars} characters over ${SIZES.routes} routes`);
  console.log(`delivered: ${ours.toFixed(0)}/s (${repeats} posted again)`);
  console.log(`posted without durability: ${bare.toFixed(0)}/s, ${SIZES.inFlight} at once`);
  console.log(`ratio ${ratio.toFixed(3)}x, at least ${SIZES.minRatio}x is asked for`);
  return ratio >= SIZES.minRatio;
}

function calledOff(): Promise<never> {
  return new Promise((_, reject) => {
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
      process.once(signal, () => reject(new Error(`stopped by ${signal}`)));
    }
    setTimeout(() => reject(new Error("not done in time")), SIZES.wholeRunMs).unref();
  });
}

async function main(): Promise<number> {
  const opened = new Disposal();
  try {
    return report(await Promise.race([measure(opened), calledOff()])) ? 0 : 1;
  } catch (error) {
    console.error(error);
    return 2;
  } finally {
    await opened[Symbol.asyncDispose]();
  }
}

process.exitCode = await main();
