import fc from "fast-check";
import { expect, test } from "vitest";
import { createBatcher } from "./batcher.ts";

type Item = { id: number; key: string; lot: string | undefined; poison: boolean };

const anyLot = fc.constantFrom("x", "x", "y", undefined);

const scenario = fc.record({
  items: fc.array(
    fc.record({ key: fc.constantFrom("a", "b", "c"), lot: anyLot, poison: fc.boolean() }),
    {
      minLength: 1,
      maxLength: 12,
    },
  ),
  maxBatch: fc.integer({ min: 1, max: 4 }),
  concurrency: fc.integer({ min: 1, max: 3 }),
});

/** A database that fails a batch with a poisonous item, and notices what it must never be asked. */
function suspiciousDatabase(
  scheduler: fc.Scheduler,
  bounds: { maxBatch: number; concurrency: number },
) {
  /** Of each key the calls of its lot that are not answered. */
  const holders = new Map<string, Item[]>();
  const sent: Item[] = [];
  /** Kept rather than thrown: the batcher would take a throw for a poisonous item. */
  const violations: string[] = [];
  let inFlight = 0;
  const take = (batch: readonly Item[]) => {
    inFlight += 1;
    if (inFlight > bounds.concurrency) violations.push(`${inFlight} statements in flight`);
    if (batch.length > bounds.maxBatch) violations.push(`a batch of ${batch.length}`);
    const began = new Set<string>();
    for (const item of batch) {
      const { id, key, lot } = item;
      const held = holders.get(key) ?? [];
      // The same call may come again, alone, after its batch failed; another one of its key only with it.
      if (held.some((one) => one.id === id)) continue;
      if (held.length > 0 && !began.has(key))
        violations.push(`${id} was sent while its key was held`);
      if (held.some((one) => one.lot === undefined || one.lot !== lot)) {
        violations.push(`${id} is of another lot`);
      }
      began.add(key);
      sent.push(item);
      holders.set(key, [...held, item]);
    }
  };
  const answered = (batch: readonly Item[]) => {
    for (const { id, key } of batch) {
      const left = (holders.get(key) ?? []).filter((one) => one.id !== id);
      if (left.length === 0) holders.delete(key);
      else holders.set(key, left);
    }
  };
  const run = async (batch: readonly Item[]) => {
    take(batch);
    await scheduler.schedule(Promise.resolve(), `batch of ${batch.length}`);
    inFlight -= 1;
    const failed = batch.some(({ poison }) => poison);
    if (!failed || batch.length === 1) answered(batch);
    if (failed) throw new Error("poison");
    return batch.map(({ id }) => id);
  };
  return { run, sent, violations };
}

test("in every interleaving: one lot of a key at a time, in order, each call answered once by its own answer", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.scheduler(),
      scenario,
      async (scheduler, { items, maxBatch, concurrency }) => {
        const calls: Item[] = items.map((item, id) => ({ ...item, id }));
        const { run, sent, violations } = suspiciousDatabase(scheduler, { maxBatch, concurrency });
        const batcher = createBatcher<Item, number>({
          run,
          maxBatch,
          concurrency,
          maxWaiting: calls.length,
          keyOf: ({ key }) => key,
          lotOf: ({ lot }) => lot,
          isOutage: () => false,
          defer: (flush) => void scheduler.schedule(Promise.resolve(), "flush").then(flush),
        });
        const answers: Promise<PromiseSettledResult<number>[]>[] = [];
        const arrivals = calls.map((call) => ({
          label: `arrival of ${call.id}`,
          builder: async () => void answers.push(Promise.allSettled([batcher.submit(call)])),
        }));
        scheduler.scheduleSequence(arrivals);
        await scheduler.waitIdle();

        const settled = (await Promise.all(answers)).flat();
        expect(
          settled.map((answer) => (answer.status === "fulfilled" ? answer.value : "poison")),
        ).toEqual(calls.map(({ id, poison }) => (poison ? "poison" : id)));
        for (const key of ["a", "b", "c"]) {
          const inOrder = calls.filter((call) => call.key === key).map(({ id }) => id);
          expect(sent.filter((call) => call.key === key).map(({ id }) => id)).toEqual(inOrder);
        }
        expect(violations).toEqual([]);
        expect(batcher.waiting).toBe(0);
      },
    ),
    { numRuns: 300 },
  );
});
