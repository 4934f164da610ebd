import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { systemIds } from "@lanekeeper/service";
import { TENANTS } from "../world/tenants.ts";
import { IdentityCalls } from "./identity-calls.ts";
import { pick, randomFor } from "./random.ts";
import { type Scene, untilOver } from "./scene.ts";

const LEASE_MS = 1_000;

/** Runs that fall silent: who asks while the lease lives is refused, who asks after it takes over. */
export async function lapse(scene: Scene): Promise<void> {
  const random = randomFor(scene.seed, "lapser");
  const calls = new IdentityCalls(scene.recorder, "lapser");
  const door = () => pick(random, scene.doors.identity);
  let round = 0;
  await untilOver(scene, async () => {
    const tenant = pick(random, TENANTS);
    const found = await calls.resolve(door(), { tenant, name: `raced:lapse:${(round += 1)}` });
    if (found === undefined) return;
    const { key } = found;
    const asking = () => {
      const run = systemIds.uuid();
      return { tenant, key, run, turn: randomUUID(), admitted: 1, leaseMs: LEASE_MS };
    };
    const silent = asking();
    const begun = await calls.begin(door(), silent);
    if (begun === undefined) return;
    const { generation, sessionId, epoch } = begun;
    const fence = { tenant, key, run: silent.run, generation, sessionId, epoch };
    await sleep(LEASE_MS * 0.6);
    await calls.begin(door(), asking());
    await sleep(LEASE_MS * 0.5);
    await calls.begin(door(), asking());
    await calls.write(door(), { ...fence, seq: 1, event: "progress", says: "late" });
    await calls.write(door(), { ...fence, seq: 0, event: "ended", says: "completed" });
    await calls.resolve(door(), { tenant, name: `raced:lapse:${round}` });
  });
}
