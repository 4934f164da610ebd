import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Disposal } from "@lanekeeper/service";
import { chatter } from "./clients/chatters.ts";
import { type Follower, followersOf } from "./clients/followers.ts";
import { lapse } from "./clients/lapsers.ts";
import { nameThings } from "./clients/namers.ts";
import { race } from "./clients/racers.ts";
import { randomFor } from "./clients/random.ts";
import { sample } from "./clients/sampler.ts";
import type { Scene } from "./clients/scene.ts";
import { Turns } from "./clients/turns.ts";
import { breakThings } from "./faults/nemesis.ts";
import { drain } from "./final/drain.ts";
import { readIdentity } from "./final/read-identity.ts";
import { readTurns } from "./final/read-turns.ts";
import type { History } from "./history/history.ts";
import { judgeError } from "./history/judge-error.ts";
import { Recorder } from "./history/recorder.ts";
import { startCluster } from "./world/cluster.ts";
import { openDoors } from "./world/doors.ts";
import { startChainModel } from "./world/model.ts";
import { startRecordingSink } from "./world/sink.ts";
import { applyTenants } from "./world/tenants.ts";

export interface RunOptions {
  readonly seconds: number;
  readonly seed: number;
  /** Where the record, the logs and the report go; made anew. */
  readonly folder: string;
  /** A planted fault, by its name. */
  readonly mutant?: string;
  /** False: nothing is broken from outside, for faults that show by themselves. */
  readonly withFaults: boolean;
  readonly tell: (line: string) => void;
}

/** Starts the constellation, drives and breaks it, heals it, reads all that it has, and stops it. */
export async function run(options: RunOptions): Promise<History> {
  const { folder, tell, seconds, seed } = options;
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  await using opened = new Disposal();
  const recorder = await Recorder.open(join(folder, "history.jsonl"), judgeError);
  opened.defer(() => recorder.close());
  const scene = await openScene(opened, recorder, options);
  tell(`two replicas of each service run; ${seconds} s of work begin`);
  const turns = new Turns(scene, randomFor(seed, "turns"));
  const followers = followersOf(scene);
  const works = [
    ...[race(scene), lapse(scene), nameThings(scene), chatter(scene, turns), sample(scene)],
    ...followers.map((follower) => follower.follow()),
    ...(options.withFaults ? [breakThings(scene)] : []),
  ];
  await Promise.all(works);
  tell("healed; what is under way ends");
  await finish(scene, turns, followers).catch((error: unknown) => {
    // What cannot be read is not drained: the judges say so.
    recorder.saw("drained", { tookMs: 0, waiting: [`unreadable: ${String(error)}`] });
  });
  return recorder.history;
}

/** Asks again what nobody knows, waits until nothing is under way, and reads all that there is. */
async function finish(scene: Scene, turns: Turns, followers: readonly Follower[]): Promise<void> {
  await scene.cluster.ready();
  await turns.settle();
  await drain(scene);
  await readIdentity(scene);
  await readTurns(scene);
  for (const follower of followers) await follower.catchUp();
}

async function openScene(
  opened: Disposal,
  recorder: Recorder,
  { seed, folder, mutant, seconds }: RunOptions,
): Promise<Scene> {
  const model = opened.use(await startChainModel(recorder));
  const sink = opened.use(await startRecordingSink(recorder, randomFor(seed, "sink")));
  const planted = mutant === undefined ? {} : { mutant };
  const cluster = await startCluster(opened, { folder, ...planted });
  await applyTenants(cluster, model.baseUrl);
  const doors = openDoors(opened, cluster);
  const over = new AbortController();
  void sleep(seconds * 1_000, undefined, { ref: false }).then(() => over.abort());
  return { recorder, cluster, doors, seed, over: over.signal, sinkUrl: sink.url };
}
