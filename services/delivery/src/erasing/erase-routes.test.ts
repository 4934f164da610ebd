import { RouteKind } from "@lanekeeper/protocol/lanekeeper/delivery/v1/route";
import { beforeEach, expect, test } from "vitest";
import { LIMITS } from "../limits.ts";
import { registerRoute } from "../store/routes/register-route.ts";
import { eraserOf } from "../testing/erasing.ts";
import { SESSION_KEY } from "../testing/replies.ts";
import { newDelivery, newRoute } from "../testing/rows.ts";
import { testStore } from "../testing/test-store.ts";

const store = testStore();
const { route, add, claim, sent, failed } = store;

let eraser: ReturnType<typeof eraserOf>;
beforeEach(() => {
  eraser = eraserOf(store.db);
});

const keyed = (sessionKey: string, throughGeneration = 1n) => ({ sessionKey, throughGeneration });

async function registered(
  sessionKey: string,
  address: string,
  kind: RouteKind = RouteKind.WEBHOOK,
) {
  const wanted = { ...newRoute(address), sessionKey, kind };
  return (await registerRoute(store.db, wanted, LIMITS))?.routeId ?? "";
}

const areOld = (where = "true") =>
  store.db.query(`UPDATE routes SET update_time = update_time - interval '1 hour' WHERE ${where}`);

async function column<T>(text: string): Promise<readonly T[]> {
  const { rows } = await store.db.query<{ v: T }>(text);
  return rows.map(({ v }) => v);
}
const addresses = () => column<string>("SELECT address AS v FROM routes ORDER BY 1");
const counts = () =>
  column<string>("SELECT session_key || ' ' || route_count AS v FROM route_counts ORDER BY 1");

test("routes of all its keys go with history and count, those of tasks to it too; others stay", async () => {
  const task = "agent:main:subagent:0190";
  await registered(SESSION_KEY, "https://hooks.example/a");
  await registered(SESSION_KEY, "https://hooks.example/b");
  await registered("agent:main:alias", "https://hooks.example/c");
  await registered(task, SESSION_KEY, RouteKind.PARENT_SESSION);
  const kept = await registered("agent:main:other", "https://hooks.example/a");
  await areOld();
  const keys = [keyed(SESSION_KEY), keyed("agent:main:alias", 0n), keyed(task)];
  const { erasureId } = eraser.erasures.add({ keys });
  await eraser.look();
  expect(await addresses()).toEqual(["https://hooks.example/a"]);
  expect(await counts()).toEqual(["agent:main:other 1"]);
  expect(await column("SELECT DISTINCT route_id::text AS v FROM route_changes")).toEqual([kept]);
  expect(eraser.erasures.reported).toEqual([erasureId]);
  expect(eraser.told()).toMatchObject([{ replies: 0, routes: 4, left: 0 }]);
});

test("they stay where somebody came back", async () => {
  await route();
  await areOld();
  const { erasureId } = eraser.erasures.add({ keys: [keyed(SESSION_KEY)], returned: true });
  await eraser.look();
  expect(await addresses()).toHaveLength(1);
  expect(eraser.erasures.reported).toEqual([erasureId]);
  expect(eraser.told()).toEqual([]);
});

test("one that was registered just now stays, and again: whoever did that may have come back", async () => {
  await registered(SESSION_KEY, "https://hooks.example/now");
  await registered(SESSION_KEY, "https://hooks.example/again");
  await registered(SESSION_KEY, "https://hooks.example/old");
  await areOld("address NOT LIKE '%now'");
  // The usual registration, at an event that comes from there.
  await registered(SESSION_KEY, "https://hooks.example/again");
  eraser.erasures.add({ keys: [keyed(SESSION_KEY)] });
  await eraser.look();
  expect(await addresses()).toEqual(["https://hooks.example/again", "https://hooks.example/now"]);
  expect(await counts()).toEqual([`${SESSION_KEY} 2`]);
  expect(eraser.erasures.reported).toEqual([]);
  await areOld();
  await eraser.look();
  expect(await addresses()).toEqual([]);
  expect(await counts()).toEqual([]);
  expect(eraser.erasures.reported).toHaveLength(1);
});

test("however long the look takes, what was registered since the erasure was read stays", async () => {
  await route();
  await store.db.query("UPDATE routes SET update_time = now() - interval '10 minutes'");
  eraser.erasures.add({ keys: [keyed(SESSION_KEY)] });
  let nowMs = 0;
  // Each look at the clock is a quarter of an hour later.
  const clock = { monotonicMs: () => (nowMs += 900_000) };
  await eraser.look({}, { clock });
  expect(await addresses()).toHaveLength(1);
  expect(eraser.erasures.reported).toEqual([]);
});

test("one stays as long as a reply of the conversation is on its way there", async () => {
  const routeId = await route();
  await add(newDelivery(routeId, "under way"));
  const [claimed] = await claim("a");
  await areOld();
  eraser.erasures.add({ keys: [keyed(SESSION_KEY)] });
  await eraser.look();
  expect(await addresses()).toHaveLength(1);
  if (claimed !== undefined) await sent(claimed);
  await eraser.look();
  expect(await addresses()).toHaveLength(1);
  await store.db.query("UPDATE attempts SET untold = NULL");
  await eraser.look();
  expect(await addresses()).toEqual([]);
  expect(eraser.erasures.reported).toHaveLength(1);
});

test("replies of others do not keep the address: those that have ended stay without it, those that wait have failed", async () => {
  const routeId = await route();
  const schedule = (turn: string) =>
    add({ ...newDelivery(routeId, turn), sessionKey: "agent:main:cron:daily" });
  await schedule("monday");
  for (const claimed of await claim("a")) await sent(claimed);
  await schedule("tuesday");
  for (const claimed of await claim("a")) await failed(claimed, 3_600_000);
  await schedule("wednesday");
  await areOld();
  eraser.erasures.add({ keys: [keyed(SESSION_KEY)] });
  await eraser.look();
  expect(await addresses()).toEqual([]);
  const { rows } = await store.db.query(
    "SELECT turn_id AS turn, state, last_error ~ 'has been erased' AS told FROM deliveries ORDER BY route_seq",
  );
  expect(rows).toEqual([
    { turn: "monday", state: 3, told: false },
    { turn: "tuesday", state: 4, told: true },
    { turn: "wednesday", state: 4, told: true },
  ]);
  expect(await schedule("thursday")).toEqual({ kind: "no_route" });
  expect(eraser.erasures.reported).toHaveLength(1);
});
