import type { Replica } from "../../chaos/world/replica.ts";
import type { Samples } from "./samples.ts";

/** Groups of the processes' own series. */
export const RESIDENT = "resident memory, MiB";
export const HEAP = "JavaScript heap in use, MiB";
export const DESCRIPTORS = "open files and sockets";
export const QUEUE_WAIT = "queue wait, mean ms";

const MIB = 1024 * 1024;

/** Reads what processes tell of themselves. Counters begin again with each life of a process. */
export class ProcessSampler {
  readonly #waits = new Map<string, { readonly sum: number; readonly count: number }>();

  async sample(samples: Samples, replicas: readonly Replica[]): Promise<void> {
    const told = await Promise.all(
      replicas.map(async (replica) => ({ replica, page: await replica.metrics() })),
    );
    const waited = { sum: 0, count: 0 };
    for (const { replica, page } of told) {
      if (page === undefined) continue;
      const { name } = replica;
      samples.note(RESIDENT, name, valueOf(page, "process_resident_memory_bytes") / MIB);
      samples.note(HEAP, name, valueOf(page, "nodejs_heap_size_used_bytes") / MIB);
      samples.note(DESCRIPTORS, name, valueOf(page, "process_open_fds"));
      if (replica.service !== "runner") continue;
      const more = this.#waitsSince(name, page);
      waited.sum += more.sum;
      waited.count += more.count;
    }
    if (waited.count > 0) samples.note(QUEUE_WAIT, "turns", (waited.sum / waited.count) * 1_000);
  }

  #waitsSince(name: string, page: string): { readonly sum: number; readonly count: number } {
    const now = {
      sum: valueOf(page, "lanekeeper_turn_wait_seconds_sum"),
      count: valueOf(page, "lanekeeper_turn_wait_seconds_count"),
    };
    const before = this.#waits.get(name) ?? { sum: 0, count: 0 };
    this.#waits.set(name, now);
    const isSameLife = now.count >= before.count;
    return isSameLife
      ? { sum: now.sum - before.sum, count: now.count - before.count }
      : { sum: now.sum, count: now.count };
  }
}

/** The sum over a metric's label sets. @throws where a page does not tell of it */
export function valueOf(page: string, metric: string): number {
  if (!page.includes(`${metric}`)) throw new Error(`no ${metric} at /metrics`);
  const lines = page.matchAll(new RegExp(`^${metric}(?:\\{[^}]*\\})? (\\S+)$`, "gm"));
  return [...lines].reduce((sum, [, value]) => sum + Number(value), 0);
}
