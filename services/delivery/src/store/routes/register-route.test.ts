import { expect, test } from "vitest";
import { newRoute } from "../../testing/rows.ts";
import { registerRoute } from "./register-route.ts";
import { testStore } from "../../testing/test-store.ts";

const store = testStore();

test("racers for one place get one route, and its count stays true", async () => {
  const racers = await Promise.all(
    Array.from({ length: 8 }, () => registerRoute(store.db, newRoute(), 100)),
  );
  expect(new Set(racers.map((stored) => stored?.routeId)).size).toBe(1);
  expect(new Set(racers.map((stored) => stored?.signingSecret)).size).toBe(1);
  const { rows } = await store.db.query("SELECT route_count FROM route_counts");
  expect(rows).toEqual([{ route_count: 1 }]);
});

test("a key has no more routes than it may, also when they are registered at once", async () => {
  const made = await Promise.all(
    Array.from({ length: 10 }, (_, index) =>
      registerRoute(store.db, newRoute(`https://hooks.example/${index}`), 4),
    ),
  );
  expect(made.filter((stored) => stored !== undefined)).toHaveLength(4);
  const { rows } = await store.db.query<{ n: number }>("SELECT count(*)::int AS n FROM routes");
  expect(rows[0]?.n).toBe(4);
});
