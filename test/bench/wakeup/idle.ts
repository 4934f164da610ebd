import { open } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Cluster } from "../../chaos/world/cluster.ts";

const ROLE = "lanekeeper_runner";
/** What a run leaves behind, such as slots that run out and connections that close, is over by then. */
const SETTLE_MS = 5_000;

/**
 * Statements a second of one replica of the runner that has nothing to do, the other one being gone, as
 * Postgres itself logs them.
 */
export async function idleStatements(cluster: Cluster, seconds: number): Promise<number> {
  const { database, replicas } = cluster;
  const [one, ...others] = replicas.filter(({ service }) => service === "runner");
  if (one === undefined) throw new Error("no runner");
  for (const other of others) await other.halt();
  await database.admin((db) => db.query(`alter role ${ROLE} set log_statement = 'all'`));
  // Connections keep the settings that they were opened with.
  await database.terminate(ROLE);
  await one.ready();
  await sleep(SETTLE_MS);
  const log = join(database.home, "postgres.log");
  const from = await sizeOf(log);
  await sleep(seconds * 1_000);
  const statements = statementsIn(await readFrom(log, from));
  if (statements === 0) throw new Error("the replica sends nothing: it is not what is measured");
  return statements / seconds;
}

/** Lines of the log that are statements, however they were sent. */
function statementsIn(log: string): number {
  return [...log.matchAll(/LOG: {2}(?:statement|execute [^:]+): /g)].length;
}

async function sizeOf(path: string): Promise<number> {
  await using file = await open(path, "r");
  return (await file.stat()).size;
}

async function readFrom(path: string, from: number): Promise<string> {
  await using file = await open(path, "r");
  const { size } = await file.stat();
  const { buffer, bytesRead } = await file.read({
    buffer: Buffer.alloc(Math.max(1, size - from)),
    position: from,
  });
  return buffer.toString("utf8", 0, bytesRead);
}
