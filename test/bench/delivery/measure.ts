import { eventually } from "@lanekeeper/testing";
import type { CpuSeconds } from "../shared/processes.ts";
import { postBare } from "./bare.ts";
import { enqueueAll } from "./replies.ts";
import { type Sizes, WHOLE_RUN_MS } from "./sizes.ts";
import type { World } from "./world.ts";

/** One round: ours, and the baselines right before and after. All by second. */
export interface Measured {
  readonly delivered: number;
  /** While they were also being sent. */
  readonly handedOver: number;
  readonly plain: number;
  readonly signed: number;
  /** Posts of an id that had been posted. */
  readonly repeats: number;
  /** CPU microseconds a reply, by process. */
  readonly cpuMicros: CpuSeconds;
}

export async function measureRound(world: World, sizes: Sizes, text: string): Promise<Measured> {
  const bare = (kind: "plain" | "signed") =>
    postBare(world.sink.origin, world.targets, text, sizes, kind);
  const plain = await bare("plain");
  const ours = await deliver(world, sizes, text);
  return { ...ours, plain, signed: await bare("signed") };
}

/** From the first reply handed over until the receiver has had each. */
async function deliver({ sink, delivery, targets, cpu }: World, sizes: Sizes, text: string) {
  const total = targets.length * sizes.messagesPerRoute;
  const [before, cpuBefore] = [await sink.count(), await cpu()];
  const startedMs = performance.now();
  const since = () => (performance.now() - startedMs) / 1_000;
  await enqueueAll(delivery, targets, text, sizes);
  const handedOver = total / since();
  const isSent = async () => (await sink.count()).distinct - before.distinct >= total;
  await eventually(isSent, { timeoutMs: WHOLE_RUN_MS, pollMs: 20, what: "all were sent" });
  const delivered = total / since();
  const [after, cpuAfter] = [await sink.count(), await cpu()];
  const repeats = after.posts - before.posts - (after.distinct - before.distinct);
  const cpuMicros = Object.fromEntries(
    Object.entries(cpuAfter).map(([name, seconds]) => {
      return [name, ((seconds - (cpuBefore[name] ?? 0)) / total) * 1_000_000];
    }),
  );
  return { delivered, handedOver, repeats, cpuMicros };
}
