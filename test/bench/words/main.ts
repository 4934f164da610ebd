// `npm run bench:words`: many callers hear answers word by word. What that costs the services and Postgres is told
// beside what it costs the `openai` package to read the same answers from the model itself, and how late words are.
// Ends with 1 when a target is missed, with 2 when nothing could be measured.
import { cpus } from "node:os";
import { createRunnerClient } from "@lanekeeper/client";
import type { Disposal } from "@lanekeeper/service";
import { startConstellation, type TestConstellation } from "@lanekeeper/testing";
import { runBench, tellRows } from "../shared/bench.ts";
import { startDurablePostgres } from "../shared/durable-postgres.ts";
import { cpuOf, cpuOfAll, cpuOfServer, type CpuSeconds } from "../shared/processes.ts";
import type { Round } from "../shared/ratios.ts";
import { comparison, milliseconds, type Row } from "../shared/row.ts";
import { startWorker, type WorkerProcess } from "../shared/worker-process.ts";
import type { Heard, HearJob } from "./listeners.ts";
import { SIZES } from "./sizes.ts";
import type { TalkJob } from "./talker.ts";

/** 6.1 when it was set; 8.5 before what many turns say was stored together. */
const MOST_CPU = 8;

/** What one round took. */
interface Measured {
  /** CPU milliseconds for 1,000 words, by process. */
  readonly cpu: Readonly<Record<string, number>>;
  readonly heard: Heard;
}

async function measure(opened: Disposal): Promise<boolean> {
  console.error("starting Postgres (fsync on), the services, the model and those who listen");
  const postgres = opened.use(await startDurablePostgres());
  const env = { DATABASE_URL: postgres.url("postgres"), LANEKEEPER_LOG_LEVEL: "info" };
  const lane = opened.use(await startConstellation({ env }));
  const worker = async (module: string, more: Record<string, string>) =>
    opened.use(await startWorker(new URL(module, import.meta.url), more, undefined));
  const talker = await worker("./talker.ts", {});
  const modelUrl = String(talker.hello);
  const pace: TalkJob = { words: SIZES.words, everyMs: SIZES.everyMs };
  await talker.ask(pace);
  await configure(lane, modelUrl);
  const through = { BENCH_URL: `${lane.baseUrl}/v1`, BENCH_API_KEY: lane.apiKey };
  const ours = await worker("./listeners.ts", through);
  const bare = await worker("./listeners.ts", { BENCH_URL: modelUrl });
  const services = async () => ({
    ...(await cpuOfAll(await lane.pids())),
    postgres: await cpuOfServer(postgres.pid),
  });
  const reader = async () => ({ "openai package": await cpuOf(bare.pid) });
  for (const each of [ours, bare]) await hear(each, SIZES.warmUps);
  const rounds: Round[] = [];
  const sizes = `${SIZES.callers} callers, answers of ${SIZES.words} words, one each ${SIZES.everyMs} ms`;
  console.log(
    `Node ${process.versions.node}, ${cpus().length} cores, everything on this machine; ${sizes}`,
  );
  for (let round = 0; round < SIZES.rounds; round += 1) {
    const [a, b] = [await spend(ours, services), await spend(bare, reader)];
    tell("lanekeeper", a);
    tell("the model itself", b);
    rounds.push({ ours: sum(a.cpu), baseline: sum(b.cpu) });
  }
  return tellRows([cpuRow(rounds)]);
}

function cpuRow(rounds: readonly Round[]): Row {
  const what = "CPU time for 1,000 words, against the openai package reading them";
  return comparison(what, rounds, { atMost: MOST_CPU }, milliseconds);
}

/** A context of fixed size, so that a late turn of a conversation costs what an early one did. */
async function configure(lane: TestConstellation, baseUrl: string): Promise<void> {
  using runner = createRunnerClient({
    target: lane.targets.runner,
    credential: lane.credential("cli"),
    defaults: { tenant: "default" },
  });
  const model = {
    provider: { case: "openaiCompatible", value: { baseUrl, model: "talker" } },
  } as const;
  const agent = { agentId: "main", model, contextTokenBudget: 2_000, compaction: { off: true } };
  await runner.applyAgents({ agents: [agent] });
}

async function hear(listeners: WorkerProcess, answers: number): Promise<Heard> {
  const job: HearJob = { answers, callers: SIZES.callers, spreadMs: SIZES.everyMs * 10 };
  const heard = (await listeners.ask(job)) as Heard;
  const said = SIZES.callers * SIZES.words * answers;
  if (heard.words !== said) throw new Error(`${said} words were said, ${heard.words} were heard`);
  return heard;
}

async function spend(
  listeners: WorkerProcess,
  seconds: () => Promise<CpuSeconds>,
): Promise<Measured> {
  const before = await seconds();
  const heard = await hear(listeners, 1);
  const after = await seconds();
  const perThousand = (name: string) =>
    (((after[name] ?? 0) - (before[name] ?? 0)) * 1_000_000) / heard.words;
  return {
    heard,
    cpu: Object.fromEntries(Object.keys(after).map((name) => [name, perThousand(name)])),
  };
}

function tell(who: string, { cpu, heard }: Measured): void {
  const parts = Object.entries(cpu).map(([name, ms]) => `${name} ${ms.toFixed(0)}`);
  const late = `words ${heard.p50Ms.toFixed(1)} ms late at the median, ${heard.p99Ms.toFixed(1)} ms at p99`;
  console.log(`${who}: ${late}; CPU ms for 1,000 words: ${parts.join(", ")}`);
}

function sum(cpu: Readonly<Record<string, number>>): number {
  return Object.values(cpu).reduce((all, ms) => all + ms, 0);
}

await runBench(SIZES.wholeRunMs, measure);
