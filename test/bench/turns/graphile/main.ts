// The baseline: graphile-worker with a named queue per conversation, callers and worker in one process.
// A job is admitted with `add_job`, run by a task that does nothing, and complete when graphile-worker
// says so; its turn is timed from before the one to after the other.
import {
  Logger,
  makeWorkerUtils,
  run as startRunner,
  type Runner,
  type WorkerUtils,
} from "graphile-worker";
import { serveJobs } from "../../shared/worker.ts";
import { closedLoop, keyOf } from "../load/closed-loop.ts";
import type { LoadJob, Measured } from "../load/jobs.ts";

const connectionString = process.env["BENCH_DATABASE_URL"] ?? "";

/** As many as callers would not help: queues are locked in one statement, one job at a time. */
const CONCURRENCY = 16;

/** A line a job would be the larger part of its cost. */
const logger = new Logger(() => () => undefined);

/** What the task saw of a job. */
interface Seen {
  readonly key: string;
  readonly id: string;
}

const waiting = new Map<string, (id: string) => void>();
const early = new Set<string>();
const running = new Map<string, number>();
const lastOf = new Map<string, bigint>();
const audit = { concurrency: 0, inversions: 0, duplicated: 0 };
const ran = new Set<string>();

/** The no-op, with what the row tells of order and concurrency. */
async function work({ key, id }: Seen): Promise<void> {
  const now = (running.get(key) ?? 0) + 1;
  running.set(key, now);
  audit.concurrency = Math.max(audit.concurrency, now);
  if (BigInt(id) < (lastOf.get(key) ?? 0n)) audit.inversions += 1;
  lastOf.set(key, BigInt(id));
  if (ran.has(id)) audit.duplicated += 1;
  ran.add(id);
  running.set(key, now - 1);
}

async function start(): Promise<{ runner: Runner; utils: WorkerUtils }> {
  const utils = await makeWorkerUtils({ connectionString, logger });
  await utils.migrate();
  const runner = await startRunner({
    ...{
      connectionString,
      logger,
      concurrency: CONCURRENCY,
      maxPoolSize: CONCURRENCY + 4,
      noHandleSignals: true,
    },
    taskList: {
      turn: (payload, { job }) => work({ key: (payload as { key: string }).key, id: job.id }),
    },
  });
  runner.events.on("job:complete", ({ job }) => {
    const resolve = waiting.get(job.id);
    waiting.delete(job.id);
    if (resolve === undefined) early.add(job.id);
    else resolve(job.id);
  });
  return { runner, utils };
}

const { runner, utils } = await start();

async function admit(key: string): Promise<string> {
  const { id } = await utils.addJob("turn", { key }, { queueName: key });
  return early.delete(id) ? id : new Promise((resolve) => waiting.set(id, resolve));
}

serveJobs({
  hello: "ready",
  run: async (job: LoadJob): Promise<Measured & { audit: typeof audit }> => ({
    ...(await closedLoop(job, (turn) => admit(keyOf(job, turn)))),
    audit,
  }),
  close: () => {
    void runner.stop();
    void utils.release();
  },
});
