import { expect, test } from "vitest";
import { boundedLookUps, lookUpsPerTenant } from "./look-ups.ts";
import { type Resolve, resolvedBefore } from "./resolve.ts";

const never = new Promise<never>(() => undefined);
const open = new AbortController().signal;

/** A resolver with so many threads: names under `hangs.example` hold one until they are let go. */
function machine(threads: number) {
  const letGo: (() => void)[] = [];
  const asked: string[] = [];
  const waiting: (() => void)[] = [];
  let free = threads;
  const resolve: Resolve = async (hostname) => {
    asked.push(hostname);
    if (free === 0) await new Promise<void>((go) => waiting.push(go));
    else free -= 1;
    if (hostname.endsWith("hangs.example")) await new Promise<void>((go) => letGo.push(go));
    const next = waiting.shift();
    if (next === undefined) free += 1;
    else next();
    return ["192.0.2.1"];
  };
  return { resolve, asked, letGo };
}

test("names of one tenant that nobody answers for leave a look-up to another", async () => {
  const { resolve, asked } = machine(2);
  const lookUp = boundedLookUps(resolve, 1);
  const late = new AbortController();
  const hanging = [1, 2, 3].map((n) => lookUp("hog", `${n}.hangs.example`, late.signal));
  expect(await lookUp("acme", "hook.example", open)).toEqual(["192.0.2.1"]);
  late.abort(new Error("too late"));
  for (const one of hanging) await expect(one).rejects.toThrow("too late");
  // The one that was asked for cannot be taken back: who comes next waits for its end, and others do not.
  const next = lookUp("hog", "hook.example", open);
  expect(await lookUp("acme", "hook.example", open)).toEqual(["192.0.2.1"]);
  expect(asked).toEqual(["1.hangs.example", "hook.example", "hook.example"]);
  expect(await Promise.race([next, lookUp("acme", "hook.example", open).then(() => "later")])).toBe(
    "later",
  );
});

test("a tenant goes on with its names once one that hung has been answered", async () => {
  const { resolve, letGo } = machine(2);
  const lookUp = boundedLookUps(resolve, 1);
  const first = lookUp("hog", "a.hangs.example", open);
  const second = lookUp("hog", "hook.example", open);
  await expect.poll(() => letGo.length).toBe(1);
  letGo.pop()?.();
  expect(await first).toEqual(["192.0.2.1"]);
  expect(await second).toEqual(["192.0.2.1"]);
});

test("a name is asked for once at a time, whoever of its tenant waits for it", async () => {
  const { resolve, asked, letGo } = machine(2);
  const lookUp = boundedLookUps(resolve, 1);
  const all = [1, 2, 3].map(() => lookUp("acme", "a.hangs.example", open));
  await expect.poll(() => letGo.length).toBe(1);
  letGo.pop()?.();
  expect(await Promise.all(all)).toHaveLength(3);
  expect(asked).toHaveLength(1);
  letGo.push(() => undefined);
  await expect(lookUp("acme", "unknown", AbortSignal.abort(new Error("over")))).rejects.toThrow(
    "over",
  );
});

test("a failure is told to all who waited, and asked anew by the next", async () => {
  let asked = 0;
  const lookUp = boundedLookUps(async () => {
    asked += 1;
    if (asked === 1) throw new Error("SERVFAIL");
    return [];
  }, 1);
  const both = [1, 2].map(() => lookUp("acme", "hook.example", open));
  for (const one of both) await expect(one).rejects.toThrow("SERVFAIL");
  expect(await lookUp("acme", "hook.example", open)).toEqual([]);
});

test.each([
  [undefined, 1],
  ["16", 2],
  ["128", 16],
  ["none", 1],
])("of %s threads a tenant's look-ups take %i", (size, look) => {
  expect(lookUpsPerTenant({ UV_THREADPOOL_SIZE: size })).toBe(look);
});

test("what is over already waits for no answer", async () => {
  const over = AbortSignal.abort(new Error("over"));
  await expect(resolvedBefore(over, never)).rejects.toThrow("over");
});
