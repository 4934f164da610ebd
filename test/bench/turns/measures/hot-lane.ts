import { createRunnerClient, type RunnerClient } from "@lanekeeper/client";
import { eventually, type ServiceName } from "@lanekeeper/testing";
import { spreadOf } from "../../shared/ratios.ts";
import { mebibytes, milliseconds, type Row } from "../../shared/row.ts";
import type { Measured } from "../load/jobs.ts";
import { AGENT, TENANT } from "../names.ts";
import { tellWhy } from "../report/tell-why.ts";
import type { Sizes } from "../sizes.ts";
import type { World } from "../world/world.ts";
import { audit } from "./audit.ts";
import { watchPositions } from "./positions.ts";

/** The hot lane's turns all wait at once; a calm lane's come one after the other, with equal history. */
export async function hotLane(world: World, { hotTurns: turns }: Sizes): Promise<readonly Row[]> {
  const job = { turns, keys: 1 };
  const calm = await world.ours({ ...job, name: "calm", keysOf: "calm", callers: 1 });
  const before = await residentBytes(world);
  const watching = watchMemory(world);
  const hot = world.ours({ ...job, name: "hot", keysOf: "hot", callers: turns });
  using runner = runnerClient(world);
  const [measured, toldPerSecond] = await Promise.all([hot, positionsTold(world, runner, turns)]);
  const most = await watching.stop();
  tellWhy("a lane where none waits", calm);
  tellWhy("the hot lane", measured);
  const found = await audit(world.database, "hot", measured);
  return [
    timePerTurn(measured, calm),
    ...(["runner", "ingress"] as const).map((name) => grown(name, most[name] - before[name])),
    count("positions told to one waiting caller, a second", toldPerSecond, 1),
    count("hot lane: runs at the same time", found.concurrency, 1),
    count("hot lane: order inversions", found.inversions, 0),
    count("hot lane: turns lost", found.lost, 0),
    count("hot lane: turns duplicated", found.duplicated, 0),
  ];
}

function timePerTurn(hot: Measured, calm: Measured): Row {
  const [ours, baseline] = [1_000 / hot.perSecond, 1_000 / calm.perSecond];
  return {
    what: `time per turn, ${hot.turns} waiting, against a lane where none waits`,
    ...{ ours: milliseconds(ours), baseline: milliseconds(baseline) },
    ...{ judged: spreadOf([ours / baseline]), unit: "x", goal: { atMost: 1.3 } },
  };
}

/** A waiting turn is two streams, a row in memory and its request: far below this, all together. */
const GROWTH_MIB = 192;

function grown(name: string, bytes: number): Row {
  const mib = bytes / 2 ** 20;
  return {
    what: `memory that the waiting turns cost ${name}`,
    ...{ ours: mebibytes(mib), baseline: "" },
    ...{ judged: spreadOf([mib]), unit: "MiB", goal: { atMost: GROWTH_MIB } },
  };
}

function count(what: string, value: number, atMost: number): Row {
  const judged = spreadOf([value]);
  const ours = String(Math.round(value * 100) / 100);
  return { what, ours, baseline: "", judged, unit: "", goal: { atMost } };
}

function runnerClient({ constellation }: World): RunnerClient & Disposable {
  return createRunnerClient({
    target: constellation.targets.runner,
    credential: constellation.credential("ingress"),
    defaults: { tenant: TENANT },
  });
}

/** Follows some of those that wait longest, once most of them do. */
async function positionsTold(world: World, runner: RunnerClient, turns: number): Promise<number> {
  const sessionKey = `agent:${AGENT}:hot-0`;
  await eventually(
    async () => {
      const { lane } = await runner.getLane({ sessionKey }).catch(() => ({ lane: undefined }));
      return (lane?.depth ?? 0) > turns / 2;
    },
    { timeoutMs: 60_000, what: "the hot lane is full" },
  );
  const { rows } = await world.database.query<{ id: string }>(LAST_WAITING, [sessionKey]);
  return watchPositions(
    runner,
    rows.map(({ id }) => id),
  );
}

const LAST_WAITING = `
select turn_id as id from lanekeeper_runner.turns
where session_key = $1 and state = 1 and run_id is null order by lane_seq desc limit 10`;

type Watched = Extract<ServiceName, "runner" | "ingress">;

async function residentBytes({ constellation }: World): Promise<Record<Watched, number>> {
  const { services } = await constellation.state();
  const of = async (name: Watched) => {
    const text = await (await fetch(`${services[name].admin}/metrics`)).text();
    const bytes = /^process_resident_memory_bytes\S* (\S+)/m.exec(text)?.[1];
    if (bytes === undefined) throw new Error(`${name} reports no resident memory`);
    return Number(bytes);
  };
  return { runner: await of("runner"), ingress: await of("ingress") };
}

const LOOK_EVERY_MS = 500;

/** The most that was seen until `stop`. */
function watchMemory(world: World): { stop(): Promise<Record<Watched, number>> } {
  const most = { runner: 0, ingress: 0 };
  const look = async () => {
    const now = await residentBytes(world);
    most.runner = Math.max(most.runner, now.runner);
    most.ingress = Math.max(most.ingress, now.ingress);
  };
  let looking: Promise<void> = Promise.resolve();
  const timer = setInterval(() => (looking = looking.then(look)), LOOK_EVERY_MS);
  return {
    stop: async () => {
      clearInterval(timer);
      await looking;
      await look();
      return most;
    },
  };
}
