import { expect, test } from "vitest";
import {
  BatchContractError,
  BatcherClosedError,
  BatcherOverloadedError,
  Rejected,
} from "./batcher-errors.ts";
import { type BatcherOptions, createBatcher } from "./batcher.ts";
import { gate } from "../test-database.ts";

class Outage extends Error {}

const base = {
  maxBatch: 10,
  maxWaiting: 100,
  isOutage: (error: unknown) => error instanceof Outage,
} satisfies Partial<BatcherOptions<string, string>>;

/** Answers each item in capitals once `let go`, and keeps what it was asked. */
function recorder() {
  const batches: string[][] = [];
  const gates: ReturnType<typeof gate>[] = [];
  const began: (() => void)[] = [];
  const run = async (batch: readonly string[]) => {
    const held = gate();
    batches.push([...batch]);
    gates.push(held);
    began.shift()?.();
    await held.opened;
    return batch.map((item) => item.toUpperCase());
  };
  /** Resolves when the next batch has been sent. */
  const nextSent = () => new Promise<void>((resolve) => began.push(resolve));
  const letGo = (index: number) => gates[index]?.open();
  return { batches, run, nextSent, letGo };
}

const tag = (item: string) => item.slice(0, 1);

test("calls that arrive while a statement is in flight go together in the next", async () => {
  const { batches, run, nextSent, letGo } = recorder();
  const batcher = createBatcher({ ...base, run });
  const first = nextSent();
  const answers = [batcher.submit("a")];
  await first;
  answers.push(batcher.submit("b"), batcher.submit("c"));
  const second = nextSent();
  letGo(0);
  await second;
  letGo(1);
  expect(await Promise.all(answers)).toEqual(["A", "B", "C"]);
  expect(batches).toEqual([["a"], ["b", "c"]]);
});

test("calls of one turn of the event loop go together at once", async () => {
  const { batches, run, nextSent, letGo } = recorder();
  const batcher = createBatcher({ ...base, run });
  const sent = nextSent();
  const answers = Promise.all(["a", "b", "c"].map((item) => batcher.submit(item)));
  await sent;
  letGo(0);
  await answers;
  expect(batches).toEqual([["a", "b", "c"]]);
});

test("a key with a call in flight sends no other, while other keys go on", async () => {
  const { batches, run, nextSent, letGo } = recorder();
  const batcher = createBatcher({ ...base, run, keyOf: tag, concurrency: 2 });
  const first = nextSent();
  const answers = [batcher.submit("a1"), batcher.submit("a2")];
  await first;
  const second = nextSent();
  answers.push(batcher.submit("b1"), batcher.submit("a3"));
  await second;
  expect(batches).toEqual([["a1"], ["b1"]]);
  const third = nextSent();
  letGo(0);
  await third;
  const fourth = nextSent();
  letGo(2);
  await fourth;
  letGo(3);
  letGo(1);
  expect(await Promise.all(answers)).toEqual(["A1", "A2", "B1", "A3"]);
  expect(batches).toEqual([["a1"], ["b1"], ["a2"], ["a3"]]);
});

test("calls of one lot behind a key fill the places that other keys leave, in their order", async () => {
  const { batches, run, nextSent, letGo } = recorder();
  const lotOf = (item: string) => (item.endsWith("!") ? undefined : "plain");
  const batcher = createBatcher({ ...base, run, keyOf: tag, lotOf, maxBatch: 4 });
  const first = nextSent();
  const calls = ["a1", "a2", "a3", "a4", "b1", "a5!", "a6", "a7"].map((item) =>
    batcher.submit(item),
  );
  for (const [index, sent] of [first, nextSent(), nextSent(), nextSent()].entries()) {
    await sent;
    letGo(index);
  }
  expect(await Promise.all(calls)).toEqual(["A1", "A2", "A3", "A4", "B1", "A5!", "A6", "A7"]);
  expect(batches).toEqual([["a1", "b1", "a2", "a3"], ["a4"], ["a5!"], ["a6", "a7"]]);
});

test("a lot that fails is run again one by one, and only then those behind it", async () => {
  const batches: string[][] = [];
  const run = async (batch: readonly string[]) => {
    batches.push([...batch]);
    if (batch.includes("a2")) throw new Error("poison");
    return batch;
  };
  const options = { ...base, run, keyOf: tag, lotOf: () => "plain", maxBatch: 3, concurrency: 2 };
  const batcher = createBatcher(options);
  const calls = ["a1", "a2", "a3", "a4", "a5"].map((item) => batcher.submit(item));
  const settled = await Promise.allSettled(calls);
  expect(settled.filter(({ status }) => status === "rejected")).toEqual([settled[1]]);
  expect(batches).toEqual([["a1", "a2", "a3"], ["a1"], ["a2"], ["a3"], ["a4", "a5"]]);
});

test("one of a lot whose caller gave up is left out of it", async () => {
  const { batches, run, nextSent, letGo } = recorder();
  const batcher = createBatcher({ ...base, run, keyOf: tag, lotOf: () => "plain" });
  const sent = nextSent();
  const caller = new AbortController();
  const calls = [batcher.submit("a1"), batcher.submit("a3")];
  const given = batcher.submit("a2", { signal: caller.signal });
  const refused = expect(given).rejects.toThrow("deadline");
  calls.push(batcher.submit("a4"));
  caller.abort(new Error("deadline"));
  await sent;
  await refused;
  letGo(0);
  expect(await Promise.all(calls)).toEqual(["A1", "A3", "A4"]);
  expect(batches).toEqual([["a1", "a3", "a4"]]);
  expect(batcher.waiting).toBe(0);
});

test("however many of one lot are in flight, another key's call goes at once", async () => {
  const { batches, run, nextSent, letGo } = recorder();
  const options = { ...base, run, keyOf: tag, lotOf: () => "plain", concurrency: 2 };
  const batcher = createBatcher(options);
  const first = nextSent();
  const calls = ["a1", "a2", "a3"].map((item) => batcher.submit(item));
  await first;
  const second = nextSent();
  calls.push(batcher.submit("b1"));
  await second;
  letGo(1);
  letGo(0);
  await Promise.all(calls);
  expect(batches).toEqual([["a1", "a2", "a3"], ["b1"]]);
});

test("a statement beside others waits until it is as large as all of them together", async () => {
  const { batches, run, nextSent, letGo } = recorder();
  const flushes: (() => void)[] = [];
  const defer = (flush: () => void) => void flushes.push(flush);
  const flush = () => flushes.splice(0).forEach((each) => each());
  const batcher = createBatcher({ ...base, run, concurrency: 3, defer });
  const answers = ["a", "b"].map((item) => batcher.submit(item));
  flush();
  answers.push(batcher.submit("c"));
  flush();
  expect(batches).toEqual([["a", "b"]]);
  answers.push(batcher.submit("d"));
  flush();
  expect(batches).toEqual([
    ["a", "b"],
    ["c", "d"],
  ]);
  answers.push(batcher.submit("e"));
  flush();
  const third = nextSent();
  letGo(0);
  letGo(1);
  await third;
  letGo(2);
  expect(await Promise.all(answers)).toEqual(["A", "B", "C", "D", "E"]);
});

test("one call can be rejected while the others of its batch are answered", async () => {
  const refusal = new Error("no");
  const run = async (batch: readonly string[]) =>
    batch.map((item) => (item === "bad" ? new Rejected(refusal) : item));
  const batcher = createBatcher({ ...base, run });
  const [good, bad] = [batcher.submit("good"), batcher.submit("bad")];
  await expect(bad).rejects.toBe(refusal);
  expect(await good).toBe("good");
});

test("a poisonous item fails alone: the batch is run again one by one", async () => {
  const batches: string[][] = [];
  const run = async (batch: readonly string[]) => {
    batches.push([...batch]);
    if (batch.includes("poison")) throw new Error(`cannot digest ${batch.length}`);
    return batch;
  };
  const batcher = createBatcher({ ...base, run });
  const calls = ["a", "poison", "b"].map((item) => batcher.submit(item));
  const settled = await Promise.allSettled(calls);
  expect(settled.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
  expect(batches).toEqual([["a", "poison", "b"], ["a"], ["poison"], ["b"]]);
  await expect(calls[1]).rejects.toThrow("cannot digest 1");
});

test("an outage rejects the whole batch without another attempt", async () => {
  let runs = 0;
  const run = async (): Promise<string[]> => {
    runs += 1;
    throw new Outage();
  };
  const batcher = createBatcher({ ...base, run });
  const settled = await Promise.allSettled(["a", "b"].map((item) => batcher.submit(item)));
  expect(settled.every((s) => s.status === "rejected" && s.reason instanceof Outage)).toBe(true);
  expect(runs).toBe(1);
});

test("an outage amid the attempts one by one rejects the rest", async () => {
  const asked: string[] = [];
  const run = async (batch: readonly string[]) => {
    asked.push(batch.join());
    if (batch.length > 1) throw new Error("poison somewhere");
    if (batch[0] === "b") throw new Outage();
    return batch;
  };
  const batcher = createBatcher({ ...base, run });
  const settled = await Promise.allSettled(["a", "b", "c"].map((item) => batcher.submit(item)));
  expect(settled.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "rejected"]);
  expect(asked).toEqual(["a,b,c", "a", "b"]);
});

test("calls beyond the bound are refused by its name, and accepted again later", async () => {
  const { run, nextSent, letGo } = recorder();
  const batcher = createBatcher({ ...base, run, maxWaiting: 2 });
  const sent = nextSent();
  const accepted = [batcher.submit("a"), batcher.submit("b")];
  await expect(batcher.submit("c")).rejects.toThrow(BatcherOverloadedError);
  await expect(batcher.submit("c")).rejects.toThrow("maxWaiting");
  await sent;
  letGo(0);
  await Promise.all(accepted);
  const again = nextSent();
  const last = batcher.submit("c");
  await again;
  letGo(1);
  expect(await last).toBe("C");
});

test("a call whose caller gave up is not sent, and holds up nobody behind it", async () => {
  const { batches, run, nextSent, letGo } = recorder();
  const batcher = createBatcher({ ...base, run, keyOf: tag });
  const sent = nextSent();
  const first = batcher.submit("a1");
  await sent;
  const caller = new AbortController();
  const given = batcher.submit("a2", { signal: caller.signal });
  const third = batcher.submit("a3");
  caller.abort(new Error("deadline"));
  const refused = expect(given).rejects.toThrow("deadline");
  const next = nextSent();
  letGo(0);
  await refused;
  await next;
  letGo(1);
  expect(await Promise.all([first, third])).toEqual(["A1", "A3"]);
  expect(batches).toEqual([["a1"], ["a3"]]);
});

test("a call that was sent is answered though its caller gave up", async () => {
  const { run, nextSent, letGo } = recorder();
  const batcher = createBatcher({ ...base, run });
  const caller = new AbortController();
  const sent = nextSent();
  const call = batcher.submit("a", { signal: caller.signal });
  await sent;
  caller.abort();
  letGo(0);
  expect(await call).toBe("A");
  await expect(batcher.submit("b", { signal: caller.signal })).rejects.toBe(caller.signal.reason);
});

test("close answers what was accepted and refuses what comes later", async () => {
  const { run, nextSent, letGo } = recorder();
  const batcher = createBatcher({ ...base, run });
  const sent = nextSent();
  const accepted = batcher.submit("a");
  const closed = batcher.close();
  await expect(batcher.submit("b")).rejects.toThrow(BatcherClosedError);
  await sent;
  letGo(0);
  await closed;
  expect(await accepted).toBe("A");
  await createBatcher({ ...base, run }).close();
});

test("a run that loses answers is a bug that every caller is told of", async () => {
  const batcher = createBatcher<string, string>({ ...base, run: async () => [] });
  await expect(batcher.submit("a")).rejects.toThrow(BatchContractError);
});
