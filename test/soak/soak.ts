import { mkdir, rm } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { setTimeout as sleep } from "node:timers/promises";
import { isUnavailable } from "@lanekeeper/postgres";
import { Disposal } from "@lanekeeper/service";
import { eventually } from "@lanekeeper/testing";
import { randomFor } from "../chaos/clients/random.ts";
import { type Cluster, startCluster } from "../chaos/world/cluster.ts";
import { openDoors } from "../chaos/world/doors.ts";
import type { SoakFlags } from "./flags.ts";
import { OUTBOX_LAG, TURN_TIME, WATCH_LAG } from "./judge/tolerances.ts";
import { Callers } from "./load/callers.ts";
import { passDays } from "./load/days.ts";
import { killEachMinute } from "./load/kills.ts";
import { type Answers, startTalkingModel } from "./load/model.ts";
import { startMeasuringSink } from "./load/sink.ts";
import { Watchers } from "./load/watchers.ts";
import type { SoakRecord } from "./record.ts";
import { sampleDatabase } from "./samples/database.ts";
import { Gathered } from "./samples/gathered.ts";
import { ProcessSampler } from "./samples/processes.ts";
import { Samples } from "./samples/samples.ts";
import { AGENT, applyAgent } from "./world/agents.ts";

const SHORT = fileURLToPath(new URL("./world/program.js", import.meta.url));

/** So many samples of a run, however long it is, and not more often than that. */
const SAMPLES = 240;
const LEAST_PAUSE_MS = 2_500;
const EMPTY_WITHIN_MS = 60_000;

/** Starts two replicas of each service and keeps them busy. */
export async function soak(flags: SoakFlags, folder: string): Promise<SoakRecord> {
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  await using opened = new Disposal();
  const answers: Answers = new Map();
  const outboxLags = new Gathered();
  const model = opened.use(await startTalkingModel(answers));
  const sink = opened.use(await startMeasuringSink(answers, outboxLags));
  const program = flags.keepEverything ? {} : { program: [SHORT] };
  const cluster = await startCluster(opened, { folder, hasUsualLeases: true, ...program });
  await applyAgent(cluster, model.baseUrl);
  const doors = openDoors(opened, cluster);
  const over = new AbortController();
  const samples = new Samples();
  const random = randomFor(flags.seed, "callers");
  const signal = over.signal;
  const callers = new Callers({ cluster, doors, random, sinkUrl: sink.url, over: signal });
  const watchers = new Watchers(doors);
  const gathered = { outboxLags, callers, watchers };
  void sleep(flags.seconds * 1_000, undefined, { ref: false }).then(() => over.abort());
  const works = [
    callers.run(),
    watchers.run(signal),
    passDays(cluster, samples, signal),
    killEachMinute(cluster, samples, signal),
    sampleUntil(samples, cluster, gathered, flags.seconds, signal),
  ];
  // Where one of them fails nobody goes on without it.
  for (const work of works) work.catch(() => over.abort());
  await Promise.all(works);
  await cluster.ready();
  const undelivered = await untilDelivered(cluster);
  const rotations = await rotationsOf(cluster);
  const { all: series, marks } = samples;
  return {
    seconds: flags.seconds,
    series,
    marks,
    outcome: callers.outcome,
    rotations,
    undelivered,
  };
}

interface GatheredLags {
  readonly outboxLags: Gathered;
  readonly callers: Callers;
  readonly watchers: Watchers;
}

async function sampleUntil(
  samples: Samples,
  cluster: Cluster,
  gathered: GatheredLags,
  seconds: number,
  over: AbortSignal,
): Promise<void> {
  const processes = new ProcessSampler();
  const pauseMs = Math.max(LEAST_PAUSE_MS, (seconds * 1_000) / SAMPLES);
  while (!over.aborted) {
    await sleep(pauseMs, undefined, { signal: over }).catch(() => undefined);
    if (over.aborted) return;
    await processes.sample(samples, cluster.replicas);
    // On a busy machine Postgres may be late to let somebody in; the next sample has it.
    await sampleDatabase(samples, cluster.database).catch((error: unknown) => {
      if (!isUnavailable(error)) throw error;
    });
    noteLags(samples, gathered);
  }
}

function noteLags(samples: Samples, { outboxLags, callers, watchers }: GatheredLags): void {
  const note = (group: string, name: string, of: Gathered) => {
    const [median] = of.take(0.5) ?? [];
    if (median !== undefined) samples.note(group, name, median);
  };
  note(OUTBOX_LAG, "replies", outboxLags);
  note(TURN_TIME, "turns", callers.latencies);
  for (const [name, lags] of watchers.lags) note(WATCH_LAG, name, lags);
}

/** Rows of the outbox and deliveries under way, once there are none or the time is over. */
async function untilDelivered({ database }: Cluster): Promise<number> {
  const waiting = async () => {
    const { rows } = await database.admin((db) =>
      db.query<{ count: number }>(`select
        ((select count(*) from lanekeeper_runner.outbox)
        + (select count(*) from lanekeeper_delivery.deliveries where end_time is null))::int as count`),
    );
    return rows[0]?.count ?? 0;
  };
  const isEmpty = async () => (await waiting()) === 0;
  const options = { timeoutMs: EMPTY_WITHIN_MS, pollMs: 250, what: "all replies are delivered" };
  await eventually(isEmpty, options).catch(() => undefined);
  return waiting();
}

async function rotationsOf({ database }: Cluster): Promise<Record<string, number>> {
  const { rows } = await database.admin((db) =>
    db.query<{ reason: string; count: number }>(
      `select reason, count(*)::int as count from lanekeeper_identity.generations
        where agent_id = $1 and reason is not null group by reason`,
      [AGENT],
    ),
  );
  return Object.fromEntries(rows.map(({ reason, count }) => [reason, count]));
}
