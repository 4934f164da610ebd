import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Disposal } from "@lanekeeper/service";
import { chatter } from "./clients/chatters.ts";
import { type CrowdSize, crowd } from "./clients/crowd.ts";
import { catchUp, type Follower, followersOf } from "./clients/followers.ts";
import { hurry } from "./clients/hasty.ts";
import { lapse } from "./clients/lapsers.ts";
import { nameThings } from "./clients/namers.ts";
import { race } from "./clients/racers.ts";
import { randomFor } from "./clients/random.ts";
import { sample } from "./clients/sampler.ts";
import type { Scene } from "./clients/scene.ts";
import { Turns } from "./clients/turns.ts";
import type { Faults } from "./faults/faults.ts";
import { breakThings, type Calm, LONG_CALM, SHORT_CALM } from "./faults/nemesis.ts";
import { fullDisk } from "./faults/postgres.ts";
import { drain } from "./final/drain.ts";
import { readIdentity } from "./final/read-identity.ts";
import { readTurns } from "./final/read-turns.ts";
import type { History } from "./history/history.ts";
import { judgeError } from "./history/judge-error.ts";
import { Recorder } from "./history/recorder.ts";
import { putTogether } from "./inside/put-together.ts";
import { startCluster } from "./world/cluster.ts";
import { Disk } from "./world/disk.ts";
import { doorsAnswer, openDoors } from "./world/doors.ts";
import { startChainModel } from "./world/model.ts";
import { startRecordingSink } from "./world/sink.ts";
import { applyTenants } from "./world/tenants.ts";

export interface RunOptions {
  /** How long there is work: all kinds of it for so many seconds, or a crowd's turns until all are known. */
  readonly work: { readonly seconds: number } | CrowdSize;
  /** How many seconds longer there is work, at the most, until each fault has hit something; unset: 0. */
  readonly patienceSeconds?: number;
  readonly seed: number;
  /** Where the record, the logs and the report go; made anew. */
  readonly folder: string;
  /** A planted fault, by its name. */
  readonly mutant?: string;
  /** What is broken from outside. */
  readonly faults: Faults;
  readonly tell: (line: string) => void;
}

/** Starts the constellation, drives and breaks it, heals it, reads all that it has, and stops it. */
export async function run(options: RunOptions): Promise<History> {
  const { folder, tell, seed, faults } = options;
  Disk.forget(folder);
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  await using opened = new Disposal();
  const recorder = await Recorder.open(join(folder, "history.jsonl"), judgeError);
  opened.defer(() => recorder.close());
  const over = new AbortController();
  const scene = await openScene(opened, recorder, over.signal, options);
  tell(`two replicas of each service run; ${aboutWork(options.work)} begin`);
  const turns = new Turns(scene, randomFor(seed, "turns"));
  const followers = followersOf(scene);
  const { made, ended } = breakThings(scene, faults, calmOf(options.work));
  const works = [
    work(scene, turns, options.work, () => goOnUntil(made, options).finally(() => over.abort())),
    ...[ended, sample(scene)],
    ...followers.map((follower) => follower.follow(scene)),
  ];
  await Promise.all(works);
  tell("healed; what is under way ends");
  await finish(scene, turns, followers).catch((error: unknown) => {
    // What cannot be read is not drained: the judges say so.
    recorder.saw("drained", { tookMs: 0, waiting: [`unreadable: ${String(error)}`] });
  });
  return recorder.history;
}

/** A crowd is to be served: what it waits for comes seldom. */
function calmOf(work: RunOptions["work"]): Calm {
  return "seconds" in work ? SHORT_CALM : LONG_CALM;
}

function aboutWork(work: RunOptions["work"]): string {
  return "seconds" in work
    ? `${work.seconds} s of work`
    : `${work.turns} turns over ${work.keys} keys`;
}

async function goOnUntil(made: Promise<void>, { patienceSeconds = 0 }: RunOptions): Promise<void> {
  const patience = new AbortController();
  const { signal } = patience;
  const bound = sleep(patienceSeconds * 1_000, undefined, { signal }).catch(() => undefined);
  await Promise.race([made, bound]);
  patience.abort();
}

/** Calls `end` when there is to be no more work: after a while, or when a crowd has been served. */
async function work(
  scene: Scene,
  turns: Turns,
  wanted: RunOptions["work"],
  end: () => Promise<void>,
): Promise<void> {
  if ("seconds" in wanted) {
    void sleep(wanted.seconds * 1_000, undefined, { ref: false }).then(end);
    await Promise.all([
      race(scene),
      lapse(scene),
      nameThings(scene),
      chatter(scene, turns),
      hurry(scene, turns),
    ]);
  } else {
    await crowd(scene, turns, wanted);
    await end();
  }
}

/** Asks again what nobody knows, waits until nothing is under way, and reads all that there is. */
async function finish(scene: Scene, turns: Turns, followers: readonly Follower[]): Promise<void> {
  await scene.cluster.ready();
  await doorsAnswer(scene.doors);
  await catchUp(followers, async () => {
    await turns.settle();
    await drain(scene);
    await readIdentity(scene);
    await readTurns(scene);
    return scene.recorder.history.values("finalSession");
  });
}

async function openScene(
  opened: Disposal,
  recorder: Recorder,
  over: AbortSignal,
  { seed, folder, mutant, faults }: RunOptions,
): Promise<Scene> {
  const model = opened.use(await startChainModel(recorder));
  const sink = opened.use(await startRecordingSink(recorder, randomFor(seed, "sink")));
  const program = await putTogether(folder, mutant);
  const wantsDisk = faults.some((list) => list.includes(fullDisk));
  const cluster = await startCluster(opened, { folder, wantsDisk, program });
  await applyTenants(cluster, model.baseUrl);
  const doors = openDoors(opened, cluster);
  return { recorder, cluster, doors, seed, over, sinkUrl: sink.url };
}
