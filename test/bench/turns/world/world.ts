import { createRunnerClient } from "@lanekeeper/client";
import { createDatabase, type Database } from "@lanekeeper/postgres";
import { Disposal } from "@lanekeeper/service";
import { startConstellation, type TestConstellation } from "@lanekeeper/testing";
import { startDurablePostgres } from "../../shared/durable-postgres.ts";
import { startWorker, type WorkerProcess } from "../../shared/worker-process.ts";
import type { Flags } from "../flags.ts";
import type { LoadJob, Measured } from "../load/jobs.ts";
import { type Least, openLeast } from "../least/least.ts";
import { AGENT, CONTEXT_TOKENS, HOT_WAITING, knownKeys, TENANT } from "../names.ts";
import { cpuOf, cpuOfAll, cpuOfServer, type CpuSeconds } from "../../shared/processes.ts";

/** What graphile-worker's task saw since it was started. */
export interface GraphileAudit {
  readonly concurrency: number;
  readonly inversions: number;
  readonly duplicated: number;
}

/** All processes of one run. */
export interface World {
  readonly postgresVersion: string;
  readonly constellation: TestConstellation;
  /** The constellation's database, as the superuser sees it. */
  readonly database: Database<unknown>;
  readonly ours: (job: LoadJob) => Promise<Measured>;
  readonly graphile: (job: LoadJob) => Promise<Measured & { readonly audit: GraphileAudit }>;
  /** What the same steps cost at least. */
  readonly least: Pick<Least, "audit"> & { readonly ask: (job: LoadJob) => Promise<Measured> };
  /** Of the processes that a turn passes, ours or the least. */
  readonly cpu: Readonly<Record<"ours" | "least", () => Promise<CpuSeconds>>>;
  /** What autovacuum would do within minutes, in the middle of a measurement; for both. */
  tidy(): Promise<void>;
}

/** What is opened is closed by `opened`. */
export async function openWorld(opened: Disposal, { cpuProf, sizes }: Flags): Promise<World> {
  const postgres = opened.use(await startDurablePostgres());
  const databaseUrl = await makeDatabases((name) => postgres.url(name));
  const constellation = opened.use(await start(databaseUrl, cpuProf));
  await configure(constellation);
  const database = opened.use(open(databaseUrl));
  const worker = async (module: string, env: Record<string, string>) =>
    opened.use(await startWorker(new URL(module, import.meta.url), env, cpuProf));
  const callersOf = (url: string) =>
    worker("../load/main.ts", { BENCH_URL: url, BENCH_API_KEY: constellation.apiKey });
  const callers = await callersOf(constellation.baseUrl);
  const least = await openLeast(opened, databaseUrl, knownKeys(sizes));
  const callersOfLeast = await callersOf(least.baseUrl);
  const graphile = await worker("../graphile/main.ts", {
    BENCH_DATABASE_URL: postgres.url("graphile"),
  });
  return {
    ...{ postgresVersion: postgres.version, constellation, database },
    ours: async (job) => (await callers.ask(job)) as Measured,
    graphile: async (job) => (await graphile.ask(job)) as Awaited<ReturnType<World["graphile"]>>,
    least: {
      ask: async (job) => (await callersOfLeast.ask(job)) as Measured,
      audit: (measured) => least.audit(measured),
    },
    cpu: {
      ours: async () => ({
        ...(await cpuOfAll(await constellation.pids())),
        ...(await cpuAround(postgres.pid, callers)),
      }),
      least: async () => ({
        ...(await least.cpu()),
        ...(await cpuAround(postgres.pid, callersOfLeast)),
      }),
    },
    tidy: async () => {
      await using theirs = open(postgres.url("graphile"));
      for (const each of [database, theirs]) await each.query("vacuum (analyze)");
      await database.query("checkpoint");
    },
  };
}

async function makeDatabases(url: (name: string) => string): Promise<string> {
  await using admin = open(url("postgres"));
  for (const name of ["lanekeeper", "graphile"]) await admin.query(`create database ${name}`);
  return url("lanekeeper");
}

function open(url: string): Database<unknown> {
  return createDatabase<unknown>({
    ...{ url, poolSize: 1, applicationName: "bench" },
    log: () => undefined,
  });
}

/** As `npm start` runs it with a Postgres of its own, logging as in production. */
function start(databaseUrl: string, cpuProf: string | undefined): Promise<TestConstellation> {
  const profile = cpuProf === undefined ? {} : profiling(cpuProf);
  return startConstellation({
    env: { DATABASE_URL: databaseUrl, LANEKEEPER_LOG_LEVEL: "info", ...profile },
  });
}

function profiling(folder: string): Record<string, string> {
  const module = new URL("../../shared/profile.mjs", import.meta.url).href;
  return { NODE_OPTIONS: `--import=${module}`, BENCH_CPU_PROF: folder };
}

/** A context of fixed size, so that a late turn of a conversation costs what an early one did. */
async function configure(constellation: TestConstellation): Promise<void> {
  using runner = createRunnerClient({
    target: constellation.targets.runner,
    credential: constellation.credential("cli"),
    defaults: { tenant: TENANT },
  });
  await runner.applyAgents({
    agents: [
      {
        agentId: AGENT,
        model: { provider: { case: "scripted", value: {} } },
        contextTokenBudget: CONTEXT_TOKENS,
        compaction: { off: true },
        maxWaitingTurns: HOT_WAITING,
      },
    ],
  });
}

async function cpuAround(postmaster: number, callers: WorkerProcess): Promise<CpuSeconds> {
  return { postgres: await cpuOfServer(postmaster), callers: await cpuOf(callers.pid) };
}
