// `npm run bench:wakeup`: how soon a turn begins at one replica of the runner once its predecessor has ended at
// another, and how hard a replica without work polls. Two replicas of each service as processes of their
// own, Postgres with fsync on. Ends with 1 when a target is missed, with 2 when nothing could be measured.
import { loadavg } from "node:os";
import { join } from "node:path";
import { rm, mkdir } from "node:fs/promises";
import type { Disposal } from "@lanekeeper/service";
import { type Gate, startModelServer } from "@lanekeeper/testing";
import { LIMITS } from "../../../services/runner/src/limits.ts";
import { startCluster } from "../../chaos/world/cluster.ts";
import { openDoors } from "../../chaos/world/doors.ts";
import { AGENT, applyTenants, TENANTS } from "../../chaos/world/tenants.ts";
import { runBench } from "../shared/bench.ts";
import { quantilesOf } from "../shared/ratios.ts";
import { handOver } from "./handovers.ts";
import { idleStatements } from "./idle.ts";

/** The contract's. */
const MOST_MEDIAN_MS = 50;
const HANDOVERS = 120;
const WARM_UP = 10;
const IDLE_SECONDS = 20;
const WHOLE_RUN_MS = 300_000;

async function measure(opened: Disposal): Promise<boolean> {
  const folder = join(process.cwd(), "test-results", "wakeup");
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  const model = opened.use(await startModelServer());
  const cluster = await startCluster(opened, { folder, hasUsualLeases: true });
  await applyTenants(cluster, model.baseUrl);
  const doors = openDoors(opened, cluster);
  const hold = (until: Gate) => model.next({ text: "done", gate: until });
  const [identity] = doors.identity;
  const [one, other] = doors.runner;
  if (identity === undefined || one === undefined || other === undefined)
    throw new Error("no doors");
  const parts = { identity, tenant: TENANTS[0], agentId: AGENT, hold };
  const [within, across]: [number[], number[]] = [[], []];
  for (let round = 0; round < WARM_UP + HANDOVERS; round += 1) {
    // In turn, so that what else the machine does meets both alike.
    const own = await handOver({ ...parts, runners: [one, one] });
    const runners = round % 2 === 0 ? ([one, other] as const) : ([other, one] as const);
    const theirs = await handOver({ ...parts, runners });
    if (round < WARM_UP) continue;
    within.push(own.ms);
    if (theirs.isAcross) across.push(theirs.ms);
  }
  const median = tell("wake-up across replicas", across);
  tell("within one replica", within);
  const load = loadavg()[0] ?? 0;
  console.log(
    `at most ${MOST_MEDIAN_MS} ms across replicas at the median; the machine's load was ${load.toFixed(0)}`,
  );
  const idle = await idleStatements(cluster, IDLE_SECONDS);
  const most = LIMITS.idleStatementsPerSecond;
  console.log(`a replica without work: ${idle.toFixed(1)} statements a second; at most ${most}`);
  // Turns that stay where they are prove nothing about the others.
  const isMet = median < MOST_MEDIAN_MS && across.length > HANDOVERS / 2 && idle <= most;
  console.log(isMet ? "all targets met" : "MISSED");
  return isMet;
}

/** Gives the median. */
function tell(what: string, ms: readonly number[]): number {
  const at = quantilesOf(ms);
  const [median, p99] = [at(0.5), at(0.99)];
  console.log(
    `${what}: median ${median.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms, of ${ms.length} turns`,
  );
  return median;
}

await runBench(WHOLE_RUN_MS, measure);
