import type { Database } from "@lanekeeper/postgres";
import type { Disposal } from "@lanekeeper/service";
import { openDatabase } from "../../shared/least/statements.ts";
import { cpuOf, type CpuSeconds } from "../../shared/processes.ts";
import { startWorker, type WorkerProcess } from "../../shared/worker-process.ts";
import type { Measured } from "../load/jobs.ts";
import type { Audit } from "../measures/audit.ts";
import { makeTables } from "./tables.ts";

/**
 * What a turn's steps cost at least: a process each for the door, the lanes and the fence, on the same Postgres,
 * that resolve, admit, begin, read, prepare, end and finish in groups as ours do, over lines of JSON, and do
 * nothing else: no permission, limit, retry, log, trace or metric, no stream, no tool, rows of a few columns.
 */
export interface Least {
  readonly baseUrl: string;
  /** Of these processes. */
  cpu(): Promise<CpuSeconds>;
  /** What became of turns that were answered. */
  audit(measured: Measured): Promise<Audit>;
}

/** With these keys. */
export async function openLeast(
  opened: Disposal,
  url: string,
  keys: readonly string[],
): Promise<Least> {
  const db = opened.use(openDatabase(url, 1));
  await makeTables(db, keys);
  const worker = async (name: string, ports: Readonly<Record<string, unknown>>) => {
    const module = new URL(`./${name}.ts`, import.meta.url);
    const env = Object.entries(ports).map(([of, port]) => [`BENCH_${of}_PORT`, String(port)]);
    const all = { BENCH_DATABASE_URL: url, ...Object.fromEntries(env) };
    return opened.use(await startWorker(module, all, undefined));
  };
  const identity = await worker("identity", {});
  const runner = await worker("runner", { IDENTITY: identity.hello });
  const ports = { IDENTITY: identity.hello, RUNNER: runner.hello };
  const ingress = await worker("ingress", ports);
  return {
    baseUrl: `http://127.0.0.1:${String(ingress.hello)}`,
    cpu: () => cpuOfAll({ fence: identity, lanes: runner, door: ingress }),
    audit: (measured) => audit(db, measured),
  };
}

async function cpuOfAll(workers: Readonly<Record<string, WorkerProcess>>): Promise<CpuSeconds> {
  const seconds: Record<string, number> = {};
  for (const [name, { pid }] of Object.entries(workers)) seconds[name] = await cpuOf(pid);
  return seconds;
}

async function audit(
  db: Database<unknown>,
  { turns, turnIds }: Pick<Measured, "turns" | "turnIds">,
): Promise<Audit> {
  const { rows } = await db.query<Omit<Audit, "lost"> & { whole: number }>(AUDIT, [turnIds]);
  const [found] = rows;
  if (found === undefined) throw new Error("the audit found no row");
  const { whole, ...rest } = found;
  return { ...rest, lost: turns - whole };
}

/** A turn is whole that has ended, with its question and its answer in the transcript. */
const AUDIT = `
WITH job AS (
  SELECT * FROM least.turns WHERE id = ANY ($1::uuid[])
), edges AS (
  SELECT key, begin_time AS at, 1 AS change FROM job UNION ALL SELECT key, end_time, -1 FROM job
), running AS (
  SELECT sum(change) OVER (PARTITION BY key ORDER BY at, change) AS runs FROM edges
), in_order AS (
  SELECT seq < max(seq) OVER (
    PARTITION BY key ORDER BY begin_time ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS is_late
  FROM job
), told AS (
  SELECT turn, count(*) AS messages FROM least.messages WHERE turn = ANY ($1::uuid[]) GROUP BY turn
)
SELECT (SELECT coalesce(max(runs), 0)::int FROM running) AS concurrency,
  (SELECT count(*)::int FROM in_order WHERE is_late) AS inversions,
  (SELECT count(*)::int FROM told WHERE messages > 2) AS duplicated,
  (SELECT count(*)::int FROM job JOIN told ON told.turn = job.id WHERE state = 3 AND messages = 2) AS whole`;
