import type { Replica } from "../../chaos/world/replica.ts";
import type { Samples } from "./samples.ts";

/** Groups of the processes' own series. */
export const RESIDENT = "resident memory, MiB";
export const HEAP = "JavaScript heap in use, MiB";
export const DESCRIPTORS = "open files and sockets";
export const QUEUE_WAIT = "queue wait, mean ms";

const QUEUE_WAITS = "lanekeeper_turn_wait_seconds";

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
      if (replica.service !== "runner" || isStarting(page, QUEUE_WAITS, Date.now())) continue;
      const more = this.#waitsSince(name, page);
      waited.sum += more.sum;
      waited.count += more.count;
    }
    if (waited.count > 0) samples.note(QUEUE_WAIT, "turns", (waited.sum / waited.count) * 1_000);
  }

  #waitsSince(name: string, page: string): { readonly sum: number; readonly count: number } {
    const now = {
      sum: valueOf(page, `${QUEUE_WAITS}_sum`),
      count: valueOf(page, `${QUEUE_WAITS}_count`),
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
  if (!page.includes(`\n${metric}`)) throw new Error(`no ${metric} at /metrics`);
  const lines = page.matchAll(new RegExp(`^${metric}(?:\\{[^}]*\\})? (\\S+)$`, "gm"));
  return [...lines].reduce((sum, [, value]) => sum + Number(value), 0);
}

/**
 * A process tells of itself before its service is there, whose metrics then come: whoever looks in between
 * finds a page without them. Later than this they are missed.
 */
const STARTS_WITHIN_S = 60;

export function isStarting(page: string, metric: string, nowMs: number): boolean {
  const ageS = nowMs / 1_000 - valueOf(page, "process_start_time_seconds");
  return !page.includes(`\n${metric}`) && ageS < STARTS_WITHIN_S;
}
