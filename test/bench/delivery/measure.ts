import type { CpuSeconds } from "../shared/processes.ts";
import { postBare } from "./bare.ts";
import { enqueueAll } from "./replies.ts";
import { untilMore } from "./sink-process.ts";
import type { Sizes } from "./sizes.ts";
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
  /** The same steps and nothing else: a second, and what they cost. */
  readonly least: { readonly delivered: number; readonly cpuMicros: CpuSeconds };
}

export async function measureRound(world: World, sizes: Sizes, text: string): Promise<Measured> {
  const bare = (kind: "plain" | "signed") =>
    postBare(world.sink.origin, world.targets, text, sizes, kind);
  const { cpu, least } = world;
  const plain = await bare("plain");
  const [ours, cpuMicros] = await metered(cpu.ours, sizes, () => deliver(world, sizes, text));
  const [delivered, cpuOfLeast] = await metered(cpu.least, sizes, () => least.deliver(text));
  const signed = await bare("signed");
  return { ...ours, cpuMicros, plain, signed, least: { delivered, cpuMicros: cpuOfLeast } };
}

/** With the CPU microseconds that a reply took, by process. */
async function metered<T>(
  cpu: () => Promise<CpuSeconds>,
  { routes, messagesPerRoute }: Sizes,
  work: () => Promise<T>,
): Promise<[T, CpuSeconds]> {
  const before = await cpu();
  const result = await work();
  const micros = Object.entries(await cpu()).map(([name, seconds]) => {
    const used = seconds - (before[name] ?? 0);
    return [name, (used / (routes * messagesPerRoute)) * 1_000_000];
  });
  return [result, Object.fromEntries(micros)];
}

/** From the first reply handed over until the receiver has had each. */
async function deliver({ sink, delivery, targets }: World, sizes: Sizes, text: string) {
  const total = targets.length * sizes.messagesPerRoute;
  const before = await sink.count();
  const startedMs = performance.now();
  const since = () => (performance.now() - startedMs) / 1_000;
  await enqueueAll(delivery, targets, text, sizes);
  const handedOver = total / since();
  await untilMore(sink, before, total);
  const delivered = total / since();
  const after = await sink.count();
  const repeats = after.posts - before.posts - (after.distinct - before.distinct);
  return { delivered, handedOver, repeats };
}
