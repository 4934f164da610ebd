import { isUnavailable } from "@lanekeeper/postgres";
import { expect, test } from "vitest";
import { shareOf } from "./share.ts";
import type { RunnerDatabase } from "./sql.ts";

/** A database whose statements end when they are told to. */
function heldDatabase() {
  const underWay: (() => void)[] = [];
  const begun: string[] = [];
  const hold = (name: string): Promise<void> => {
    begun.push(name);
    return new Promise((resolve) => underWay.push(resolve));
  };
  const db: RunnerDatabase = {
    query: async (statement) => {
      await hold(typeof statement === "string" ? statement : statement.name);
      if (statement === "wrong") throw new Error("it is wrong");
      return { rows: [], rowCount: 0 };
    },
    transaction: async (work) => {
      await hold("transaction");
      return work(undefined as never);
    },
  };
  return { db, begun, endOne: () => underWay.shift()?.() };
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

test("so many are under way at once, and the others follow in their order, also behind one that failed", async () => {
  const { db, begun, endOne } = heldDatabase();
  const share = shareOf(db, 2, 60_000);
  const all = [
    share.query("wrong"),
    share.transaction(async () => "done"),
    share.query("c"),
    share.query("d"),
  ];
  await settled();
  expect(begun).toEqual(["wrong", "transaction"]);
  endOne();
  await expect(all[0]).rejects.toThrow("it is wrong");
  await settled();
  expect(begun).toEqual(["wrong", "transaction", "c"]);
  for (let left = 3; left > 0; left -= 1) {
    endOne();
    await settled();
  }
  expect(await all[1]).toBe("done");
  await Promise.all(all.slice(1));
  expect(begun).toEqual(["wrong", "transaction", "c", "d"]);
  // Whoever has the database itself waits for none of them.
  void share.query("e");
  void share.query("f");
  void db.query("itself");
  await settled();
  expect(begun.slice(4).toSorted()).toEqual(["e", "f", "itself"]);
});

test("how many wait is told as it changes, also when one has waited too long", async () => {
  const { db, endOne } = heldDatabase();
  const told: number[] = [];
  const share = shareOf(db, 1, 20, (waiting) => told.push(waiting));
  const first = share.query("a");
  await Promise.allSettled([share.query("b"), share.query("c")]);
  expect(told).toEqual([1, 2, 1, 0]);
  endOne();
  await first;
  void share.query("d");
  await settled();
  expect(told).toEqual([1, 2, 1, 0]);
});

test("who has waited too long is told so as of an outage, and takes no place", async () => {
  const { db, begun, endOne } = heldDatabase();
  const share = shareOf(db, 1, 20);
  const first = share.query("a");
  const error = await share.query("b").catch((cause: unknown) => cause);
  expect(isUnavailable(error)).toBe(true);
  endOne();
  await first;
  const third = share.query("c");
  await settled();
  endOne();
  await third;
  expect(begun).toEqual(["a", "c"]);
});
