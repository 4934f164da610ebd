import { ManualClock } from "@lanekeeper/service/testing";
import { eventually } from "@lanekeeper/testing";
import { expect, test } from "vitest";
import { Agents } from "./agents.ts";
import type { RunnerDatabase } from "./store/sql.ts";

/** A database that answers each look at an agent when it is told to. */
function heldDatabase() {
  const looks: ((rows: object[]) => void)[] = [];
  const query = () =>
    new Promise<object>((resolve) =>
      looks.push((rows) => resolve({ rows, rowCount: rows.length })),
    );
  return { db: { query } as unknown as RunnerDatabase, looks };
}

const AGENT = { config: Buffer.alloc(0), is_listed: true, max_concurrent_runs: null };

test("all who ask for an agent at once wait for one look at it", async () => {
  const { db, looks } = heldDatabase();
  const agents = new Agents(db, new ManualClock());
  const asked = Array.from({ length: 50 }, () => agents.any("t", "main"));
  await eventually(() => looks.length > 0);
  expect(looks).toHaveLength(1);
  looks[0]?.([AGENT]);
  expect((await Promise.all(asked)).every((config) => config !== undefined)).toBe(true);
});

test("what was being read when the agents were stored anew is not remembered", async () => {
  const { db, looks } = heldDatabase();
  const agents = new Agents(db, new ManualClock());
  const before = agents.any("t", "main");
  agents.forget();
  const after = agents.any("t", "main");
  expect(looks).toHaveLength(2);
  looks[1]?.([AGENT]);
  expect(await after).toBeDefined();
  looks[0]?.([]);
  expect(await before).toBeUndefined();
  expect(await agents.any("t", "main")).toBeDefined();
  expect(looks).toHaveLength(2);
});

test("a look that fails is told to all who waited for it, and made anew for the next", async () => {
  let isDown = true;
  const query = async () => {
    if (isDown) throw new Error("no store");
    return { rows: [AGENT], rowCount: 1 };
  };
  const agents = new Agents({ query } as unknown as RunnerDatabase, new ManualClock());
  const asked = [agents.any("t", "main"), agents.any("t", "main")];
  for (const one of asked) await expect(one).rejects.toThrow("no store");
  isDown = false;
  expect(await agents.any("t", "main")).toBeDefined();
});
