import { expect, test } from "vitest";
import { testWorlds } from "../testing/test-worlds.ts";
import { analyzeOutgrown } from "@lanekeeper/postgres";

const worlds = testWorlds();

test("the planner is told of a table that grew faster than autovacuum looks, and once", async () => {
  await using world = await worlds.start();
  expect(await analyzeOutgrown(world.db, ["lanes", "turns"])).toEqual([]);
  await world.db.query(
    `INSERT INTO lanes (tenant, session_key, next_seq, depth)
     SELECT 't', 'agent:main:' || g, 1, 0 FROM generate_series(1, 20000) g`,
  );
  expect(await analyzeOutgrown(world.db, ["lanes", "turns"])).toEqual(["lanes"]);
  const { rows } = await world.db.query<{ known: number }>(
    "SELECT reltuples::int AS known FROM pg_class WHERE oid = 'lanes'::regclass",
  );
  expect(rows[0]?.known).toBe(20_000);
  expect(await analyzeOutgrown(world.db, ["lanes", "turns"])).toEqual([]);
});
