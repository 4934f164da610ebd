import { describe, expect, test } from "vitest";

import { PassingMap, PassingSet } from "./index.ts";

describe("a map that values pass through", () => {
  test("has what was set and was not deleted, in the order of the keys' first setting", () => {
    const map = new PassingMap<string, number>();
    map.set("a", 1);
    map.set("b", 2);
    map.set("a", 3);
    expect([...map.entries()]).toEqual([
      ["a", 3],
      ["b", 2],
    ]);
    expect(map.delete("a")).toBe(true);
    expect(map.delete("a")).toBe(false);
    expect([map.has("a"), map.get("a"), map.size]).toEqual([false, undefined, 1]);
    map.set("a", 4);
    expect([...map.keys()]).toEqual(["b", "a"]);
    expect([...map.values()]).toEqual([2, 4]);
    map.clear();
    expect([map.size, ...map.values()]).toEqual([0]);
  });

  test("may have undefined for a value", () => {
    const map = new PassingMap<string, undefined>();
    map.set("a", undefined);
    expect([map.has("a"), map.size]).toEqual([true, 1]);
    expect(map.delete("a")).toBe(true);
  });

  test("may be changed by whoever goes through it", () => {
    const map = new PassingMap<number, number>();
    for (const key of [1, 2, 3]) map.set(key, key);
    const seen: number[] = [];
    for (const [key] of map.entries()) {
      seen.push(key);
      map.delete(2);
      if (key === 3) map.set(4, 4);
    }
    expect(seen).toEqual([1, 3, 4]);
  });
});

describe("a set that values pass through", () => {
  test("has a value as often as it was added, until each place is given up", () => {
    const set = new PassingSet<string>();
    const first = set.add("a");
    const second = set.add("a");
    set.add("b");
    expect([...set.values()]).toEqual(["a", "a", "b"]);
    expect(set.delete(first)).toBe(true);
    expect(set.delete(first)).toBe(false);
    expect([...set.values()]).toEqual(["a", "b"]);
    expect(set.delete(second)).toBe(true);
    expect([set.size, ...set.values()]).toEqual([1, "b"]);
  });

  test("gives out those that are wanted, so many at most", () => {
    const set = new PassingSet<number>();
    const places = [1, 2, 3, 4, 5].map((value) => set.add(value));
    expect(set.take((value) => value % 2 === 1, 2)).toEqual([1, 3]);
    expect([...set.values()]).toEqual([2, 4, 5]);
    expect(places.map((place) => set.delete(place))).toEqual([false, true, false, true, true]);
  });

  test("may be changed by whoever goes through it", () => {
    const set = new PassingSet<string>();
    set.add("a");
    const second = set.add("b");
    const seen: string[] = [];
    for (const value of set.values()) {
      seen.push(value);
      set.delete(second);
      if (value === "a") set.add("c");
    }
    expect(seen).toEqual(["a", "c"]);
  });
});
