import { execFile } from "node:child_process";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { Disposal } from "@lanekeeper/service";
import { eventually, freeEnvironment } from "@lanekeeper/testing";
import { chatter } from "../clients/chatters.ts";
import { catchUp, followersOf } from "../clients/followers.ts";
import { race } from "../clients/racers.ts";
import { randomFor } from "../clients/random.ts";
import type { Scene } from "../clients/scene.ts";
import { Turns } from "../clients/turns.ts";
import { drain } from "../final/drain.ts";
import { readIdentity } from "../final/read-identity.ts";
import { readTurns } from "../final/read-turns.ts";
import type { History } from "../history/history.ts";
import { judgeError } from "../history/judge-error.ts";
import { Recorder } from "../history/recorder.ts";
import { BIN, type Cluster, startCluster } from "../world/cluster.ts";
import { openDoors } from "../world/doors.ts";
import { startChainModel } from "../world/model.ts";
import { applyTenants } from "../world/tenants.ts";
import { backUp, restore } from "./backup.ts";
import { type ClosingSink, startClosingSink } from "./closing-sink.ts";
import { Holder } from "./holders.ts";
import { gotOn } from "./judges.ts";
import { RESTORE } from "./nothing-old.ts";

const run = promisify(execFile);

/** How long clients work before the backup, and between it and the restore. */
const WORK_MS = 3_000;
/** Most people; who still waits for a lane may be late. */
const GOT_ON = 10;
/** Connections come back after a pause that doubles with each attempt. */
const GOT_ON_MS = 60_000;
/** Replies that wait when the backup is taken: the model answers in a tenth of it. */
const CLOSED_MS = 1_500;

export interface RestoreOptions {
  readonly folder: string;
  readonly seed: number;
  /** False leaves the step out that makes a restore safe: the judges have to notice. */
  readonly raises: boolean;
  readonly tell: (line: string) => void;
}

/** Drives a constellation, takes a backup meanwhile, goes on, restores it, and goes on. */
export async function restoreUnder(options: RestoreOptions): Promise<History> {
  const { folder, seed } = options;
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  await using opened = new Disposal();
  const recorder = await Recorder.open(join(folder, "history.jsonl"), judgeError);
  opened.defer(() => recorder.close());
  const model = opened.use(await startChainModel(recorder));
  const sink = opened.use(await startClosingSink(recorder));
  const cluster = await startCluster(opened, { folder });
  await applyTenants(cluster, model.baseUrl);
  const doors = openDoors(opened, cluster);
  const over = new AbortController();
  const scene = { recorder, cluster, doors, seed, over: over.signal, sinkUrl: sink.url };
  const turns = new Turns(scene, randomFor(seed, "turns"));
  const followers = followersOf(scene);
  const clients = Promise.all([
    ...[race(scene), chatter(scene, turns)],
    ...followers.map((follower) => follower.follow(scene)),
  ]);
  await story(scene, sink, options).finally(() => over.abort());
  await clients;
  await catchUp(followers, async () => {
    await turns.settle();
    await drain(scene);
    await readIdentity(scene);
    await readTurns(scene);
    return recorder.history.values("finalSession");
  });
  return recorder.history;
}

async function story(scene: Scene, sink: ClosingSink, options: RestoreOptions): Promise<void> {
  const { cluster } = scene;
  const { tell } = options;
  const backup = join(options.folder, "backup");
  const holders = ["before", "rotated", "between", "lost"].map((name) => new Holder(scene, name));
  const [before, rotated, between, lost] = holders as [Holder, Holder, Holder, Holder];
  await sleep(WORK_MS);
  await before.take();
  await rotated.take();
  await lost.meet();
  sink.isClosed = true;
  await sleep(CLOSED_MS);
  await backUp(cluster.database, backup);
  sink.isClosed = false;
  tell("a backup was taken; the clients go on");
  await rotated.rotate();
  await between.take();
  // The backup knows the key, and not that this run began.
  await lost.take();
  await sleep(WORK_MS);
  scene.recorder.saw("fault", { kind: RESTORE, target: "postgres", state: "begin" });
  for (const replica of cluster.replicas) await replica.halt();
  await restore(cluster.database, backup);
  await startAgain(cluster, options);
  scene.recorder.saw("fault", { kind: RESTORE, target: "postgres", state: "end" });
  for (const holder of holders) await holder.show();
  const haveGotOn = () => gotOn(scene.recorder.history) >= GOT_ON;
  const within = { timeoutMs: GOT_ON_MS, pollMs: 500, what: `${GOT_ON} clients get on` };
  await eventually(haveGotOn, within);
}

/** As docs/operations/backup.md has it: session-identity alone, the raise, then the rest. */
async function startAgain(cluster: Cluster, { raises, tell, folder }: RestoreOptions) {
  const [first] = cluster.replicas;
  if (first?.service !== "session-identity") throw new Error("the first one is session-identity");
  // Nobody is let in but the operator.
  first.grpc.weather = "cut";
  first.start();
  await first.ready();
  if (raises) tell((await raise(cluster, first.grpc.upstream, folder)).trim());
  first.grpc.weather = "open";
  for (const replica of cluster.replicas) if (replica !== first) replica.start();
  await cluster.ready();
}

async function raise({ secret }: Cluster, port: number, folder: string): Promise<string> {
  const env = freeEnvironment({
    LANEKEEPER_DATA_DIR: folder,
    LANEKEEPER_CLUSTER_SECRET: secret,
    LANEKEEPER_IDENTITY_TARGET: `127.0.0.1:${port}`,
  });
  const raised = () =>
    run(process.execPath, [BIN, "fence", "raise", "--request-id", "r-1"], { env });
  const { stdout } = await raised();
  // Whoever lost the answer asks again.
  if ((await raised()).stdout !== stdout) throw new Error("a repeat raised again");
  return stdout;
}
