/**
 * What a platform team's program does with session-identity, from inside the cluster: resolve a name,
 * look at the fence, watch, reset only what was seen, and be refused where somebody was faster.
 *
 *   node --import tsx packages/client/examples/resolve-and-reset.ts demo:example
 *
 * It finds `npm start` of the same folder; elsewhere set LANEKEEPER_IDENTITY_TARGET and
 * LANEKEEPER_CLUSTER_SECRET.
 */
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import {
  asCallError,
  ConflictCallError,
  createIdentityClient,
  followSessions,
  type IdentityClient,
  serviceCredential,
} from "@lanekeeper/client";
import {
  RotationReason,
  type Session,
  type SessionRef,
} from "@lanekeeper/protocol/lanekeeper/identity/v1/session";
import type { WatchSessionsResponse } from "@lanekeeper/protocol/lanekeeper/identity/v1/watch";

const DATA_DIR =
  process.env["LANEKEEPER_DATA_DIR"] ?? join(import.meta.dirname, "../../../.lanekeeper");

function connect(): IdentityClient {
  const clusterSecret =
    process.env["LANEKEEPER_CLUSTER_SECRET"] ??
    readFileSync(join(DATA_DIR, "cluster-secret"), "utf8").trim();
  return createIdentityClient({
    // All replicas: "dns:///session-identity:7101", or "10.0.0.1:7101,10.0.0.2:7101".
    target: process.env["LANEKEEPER_IDENTITY_TARGET"] ?? "127.0.0.1:7101",
    credential: serviceCredential("cli", clusterSecret),
    defaults: { tenant: "default", principal: "example", timeoutMs: 5_000 },
  });
}

/** Writes nothing where the name is known; asking twice is the same question. */
async function resolve(identity: IdentityClient, rawKey: string): Promise<Session> {
  const { session } = await identity.resolveSession({ name: { case: "rawKey", value: rawKey } });
  if (session === undefined) throw new Error("an answer has a session");
  return session;
}

/** What the run that holds the key shows on each write, or what the next one will. */
function fenceLine({ ref, activeRun, runEpoch }: Session): string {
  const run =
    activeRun === undefined
      ? `run_id of the next run, run_epoch ${runEpoch + 1n}`
      : `run_id ${activeRun.runId}, run_epoch ${activeRun.runEpoch}`;
  return `${refLine(ref)}, ${run}`;
}

function refLine(ref: SessionRef | undefined): string {
  return `${ref?.sessionKey}, ${ref?.sessionId}, generation ${ref?.generation}`;
}

/** The request id is made once for each wish: a repeat with it returns the same rotation. */
async function reset(identity: IdentityClient, { ref }: Session, requestId: string) {
  const { rotation } = await identity.rotateSession({
    requestId,
    sessionKey: ref?.sessionKey ?? "",
    reason: RotationReason.RESET,
    precondition: { case: "expectedGeneration", value: ref?.generation ?? 0n },
    note: "an example",
  });
  return rotation?.current;
}

/** Reads on until a message is the one. */
async function until(
  feed: AsyncIterator<WatchSessionsResponse>,
  isIt: (message: WatchSessionsResponse) => boolean,
): Promise<void> {
  for (;;) {
    const { value, done } = await feed.next();
    if (done || isIt(value)) return;
  }
}

const [rawKey = "demo:example"] = process.argv.slice(2);
using identity = connect();

const seen = await resolve(identity, rawKey);
console.log(`resolved   ${rawKey} to ${refLine(seen.ref)}`);
console.log(`fence      ${fenceLine(seen)}`);

const feed = followSessions(identity, { sessionKeyPrefix: seen.ref?.sessionKey ?? "" });
await until(feed, ({ event }) => event.case === "snapshotEnd");

const current = await reset(identity, seen, randomUUID());
console.log(`reset      ${refLine(current)}`);

try {
  await reset(identity, seen, randomUUID());
} catch (error) {
  const failure = asCallError(error);
  if (!(failure instanceof ConflictCallError)) throw failure;
  console.log(
    `refused    ${failure.reason}: generation ${failure.metadata["generation"]} is there`,
  );
}

await until(feed, ({ event }) => {
  if (event.case !== "changed" || event.value.ref?.sessionId !== current?.sessionId) return false;
  console.log(`watched    ${refLine(event.value.ref)}, revision ${event.value.revision}`);
  return true;
});
await feed.return(undefined);
