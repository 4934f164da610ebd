import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

import { expect, test } from "vitest";

import { PassingMap, PassingSet } from "./index.ts";

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as (options?: { type: "minor" }) => void;

/** At once in the collection, as calls are under way. */
const LIVE = 32;
const VALUES = 20_000;
const VALUE_BYTES = 1_000;

/**
 * How many bytes for each value that has gone are still there after the young generation was collected, and only
 * that: `add` gives what takes the value out again.
 */
function keptOfEach(add: (value: object) => () => void): number {
  const under: (() => void)[] = [];
  const pass = (count: number): void => {
    for (let passed = 1; passed <= count; passed += 1) {
      under.push(add({ text: Array.from({ length: VALUE_BYTES / 8 }, () => passed) }));
      if (under.length > LIVE) under.shift()?.();
      // More often than by itself, so that a table of the collection has come to the old generation soon.
      if (passed % 500 === 0) collect({ type: "minor" });
    }
  };
  pass(2_000);
  collect();
  const before = process.memoryUsage().heapUsed;
  pass(VALUES);
  collect({ type: "minor" });
  return (process.memoryUsage().heapUsed - before) / VALUES;
}

let key = 0;

/** By a map of keys that never come again. */
function throughMap(map: {
  set(key: number, value: object): unknown;
  delete(key: number): unknown;
}): number {
  return keptOfEach((value) => {
    const at = (key += 1);
    map.set(at, value);
    return () => map.delete(at);
  });
}

test("a Map keeps what went, with Node 20's V8", (context) => {
  // A later one may not: then these collections are for nothing.
  context.skip(!process.versions.v8.startsWith("11.3."), process.versions.v8);
  expect(throughMap(new Map<number, object>())).toBeGreaterThan(VALUE_BYTES / 2);
});

test("a PassingMap keeps none of it", () => {
  expect(throughMap(new PassingMap<number, object>())).toBeLessThan(VALUE_BYTES / 5);
});

test("nor does a PassingSet", () => {
  const set = new PassingSet<object>();
  const kept = keptOfEach((value) => {
    const place = set.add(value);
    return () => set.delete(place);
  });
  expect(kept).toBeLessThan(VALUE_BYTES / 5);
});

test("what is kept on purpose is counted", () => {
  const all: object[] = [];
  const kept = keptOfEach((value) => {
    all.push(value);
    return () => undefined;
  });
  expect(kept).toBeGreaterThan(VALUE_BYTES);
});
