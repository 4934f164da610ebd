import { setTimeout as sleep } from "node:timers/promises";
import { TENANTS } from "../world/tenants.ts";
import { pick, randomFor } from "./random.ts";
import { CALL_MS, type Scene, untilOver } from "./scene.ts";

const EVERY_MS = 2_000;

/** Notes how much memory each replica holds, and how deep the deepest lane is. */
export async function sample(scene: Scene): Promise<void> {
  const random = randomFor(scene.seed, "sampler");
  await untilOver(scene, async () => {
    const waitingTurns = await deepest(scene, pick(random, scene.doors.runner)).catch(() => 0);
    for (const replica of scene.cluster.replicas) {
      const residentBytes = await replica.residentBytes();
      if (residentBytes === undefined) continue;
      scene.recorder.saw("sample", { process: replica.name, residentBytes, waitingTurns });
    }
    await sleep(EVERY_MS);
  });
}

async function deepest(_: Scene, door: Scene["doors"]["runner"][number]): Promise<number> {
  let depth = 0;
  for (const tenant of TENANTS) {
    const { lanes } = await door.listLanes({ pageSize: 200 }, { tenant, timeoutMs: CALL_MS });
    for (const lane of lanes) depth = Math.max(depth, lane.depth);
  }
  return depth;
}
