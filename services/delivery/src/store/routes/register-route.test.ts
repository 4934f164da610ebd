import { expect, test } from "vitest";
import { LIMITS } from "../../limits.ts";
import { newDelivery, newRoute } from "../../testing/rows.ts";
import { registerRoute } from "./register-route.ts";
import { testStore } from "../../testing/test-store.ts";

const store = testStore();

const FOUR = { ...LIMITS, routesPerKey: 4 };
const at = (name: string) => newRoute(`https://hooks.example/${name}`);

test("racers for one place get one route, and its count stays true", async () => {
  const racers = await Promise.all(
    Array.from({ length: 8 }, () => registerRoute(store.db, newRoute(), LIMITS)),
  );
  expect(new Set(racers.map((stored) => stored?.routeId)).size).toBe(1);
  expect(new Set(racers.map((stored) => stored?.signingSecret)).size).toBe(1);
  const { rows } = await store.db.query("SELECT route_count FROM route_counts");
  expect(rows).toEqual([{ route_count: 1 }]);
});

test("a key has no more routes than it may, also when they are registered at once", async () => {
  const made = await Promise.all(
    Array.from({ length: 10 }, (_, index) =>
      registerRoute(store.db, newRoute(`https://hooks.example/${index}`), FOUR),
    ),
  );
  expect(made.filter((stored) => stored !== undefined)).toHaveLength(4);
  const { rows } = await store.db.query<{ n: number }>("SELECT count(*)::int AS n FROM routes");
  expect(rows[0]?.n).toBe(4);
});

test("a key with as many routes as it may have gives the place of the one that was silent longest to a new one", async () => {
  const names = ["default", "answering", "silent", "spoken"];
  const made = new Map<string, string>();
  for (const name of names) {
    const route = { ...at(name), isDefault: name === "default" };
    made.set(name, (await registerRoute(store.db, route, FOUR))?.routeId ?? "");
  }
  const full = () => registerRoute(store.db, at("new"), FOUR);
  expect(await full()).toBeUndefined();
  const silentFor = (name: string, days: number) =>
    store.db.query(
      "UPDATE routes SET update_time = now() - $2 * interval '1 day' WHERE route_id = $1",
      [made.get(name), days],
    );
  await silentFor("default", 90);
  await silentFor("answering", 60);
  await store.add(newDelivery(made.get("answering") ?? "", "turn-1"));
  for (const claimed of await store.claim("a")) await store.sent(claimed);
  expect(await full()).toBeUndefined();
  await silentFor("silent", 31);
  const stored = await full();
  const left = await store.db.query<{ address: string }>("SELECT address FROM routes ORDER BY 1");
  expect(left.rows.map(({ address }) => address.split("/").at(-1))).toEqual([
    "answering",
    "default",
    "new",
    "spoken",
  ]);
  const { rows } = await store.db.query<{ note: string; route_count: number }>(
    "SELECT note, route_count FROM route_changes, route_counts WHERE route_id = $1",
    [stored?.routeId],
  );
  const gone = made.get("silent");
  expect(rows).toEqual([
    { note: `registered in the place of route ${gone}, which was silent`, route_count: 4 },
  ]);
  const history = await store.db.query("SELECT FROM route_changes WHERE route_id = $1", [gone]);
  expect(history.rowCount).toBe(0);
});
