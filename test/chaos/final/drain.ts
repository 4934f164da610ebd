import { performance } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { DeliveryState } from "@lanekeeper/protocol/lanekeeper/delivery/v1/delivery";
import type { Scene } from "../clients/scene.ts";
import { DRAIN_BOUND_MS } from "../judges/g13-no-deadlock.ts";
import { TENANTS } from "../world/tenants.ts";

/** Longer than a reply that becomes a turn elsewhere stands in the outbox, where nobody sees it. */
const REST_MS = 1_000;

/** After healing: waits until no lane has work and no reply is on its way for a while, or the bound is over. */
export async function drain(scene: Scene): Promise<void> {
  const startMs = performance.now();
  for (let restSinceMs: number | undefined; ; ) {
    const waiting = await waitingFor(scene).catch((error: unknown) => [
      `unreadable: ${String(error)}`,
    ]);
    const tookMs = performance.now() - startMs;
    restSinceMs = waiting.length === 0 ? (restSinceMs ?? performance.now()) : undefined;
    const hasRested = restSinceMs !== undefined && performance.now() - restSinceMs > REST_MS;
    if (hasRested || tookMs > DRAIN_BOUND_MS) {
      scene.recorder.saw("drained", { tookMs: Math.round(tookMs), waiting });
      return;
    }
    await sleep(150);
  }
}

/** Keys of lanes with work, and of replies on their way. */
async function waitingFor({ doors }: Scene): Promise<string[]> {
  const [runner] = doors.runner;
  const [delivery] = doors.delivery;
  if (runner === undefined || delivery === undefined) throw new Error("no doors");
  const found: string[] = [];
  for (const tenant of TENANTS) {
    const { lanes } = await runner.listLanes({ pageSize: 200 }, { tenant });
    found.push(...lanes.map(({ sessionKey }) => sessionKey));
    for (const state of [DeliveryState.PENDING, DeliveryState.SENDING]) {
      const { deliveries } = await delivery.listDeliveries({ state, pageSize: 50 }, { tenant });
      found.push(...deliveries.map(({ session }) => session?.sessionKey ?? ""));
    }
  }
  return found;
}
