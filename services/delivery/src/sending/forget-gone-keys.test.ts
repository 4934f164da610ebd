import { RouteKind } from "@lanekeeper/protocol/lanekeeper/delivery/v1/route";
import { notFound, storeUnavailable } from "@lanekeeper/rpc";
import { captureLog } from "@lanekeeper/service/testing";
import { expect, test } from "vitest";
import { LIMITS } from "../limits.ts";
import { registerRoute } from "../store/routes/register-route.ts";
import { newDelivery, newRoute } from "../testing/rows.ts";
import { testStore } from "../testing/test-store.ts";
import { forgetGoneKeys, type GoneKeysDeps } from "./forget-gone-keys.ts";

const store = testStore();
const never = new AbortController().signal;

/** Of a subagent's key, due to be looked at. */
const toParent = (sessionKey: string) =>
  registerRoute(
    store.db,
    { ...newRoute("agent:main:parent"), sessionKey, kind: RouteKind.PARENT_SESSION },
    { ...LIMITS, lookAtKeyMs: -1_000 },
  );

/** session-identity, where these keys have gone. */
function sweep(gone: readonly string[], limits: Partial<GoneKeysDeps["limits"]> = {}) {
  const asked: string[] = [];
  const getSession = (async ({ session }) => {
    const key = session?.case === "sessionKey" ? String(session.value) : "";
    asked.push(key);
    if (gone.includes(key)) throw notFound("session", key);
    return {};
  }) as GoneKeysDeps["identity"]["getSession"];
  const deps = { db: store.db, identity: { getSession }, log: captureLog().log };
  const done = forgetGoneKeys({ ...deps, limits: { ...LIMITS, ...limits } }, never);
  return done.then(() => asked.toSorted());
}

async function keysWith(table: string): Promise<readonly string[]> {
  const text = `SELECT DISTINCT session_key FROM ${table} ORDER BY 1`;
  const { rows } = await store.db.query<{ session_key: string }>(text);
  return rows.map((row) => row.session_key);
}

test("routes of a key that has gone go with their history and count, those of one that is there stay and are looked at again", async () => {
  await toParent("agent:main:subagent:gone");
  await toParent("agent:main:subagent:used");
  await registerRoute(store.db, { ...newRoute(), sessionKey: "agent:main:chat" }, LIMITS);
  const beside = { ...newRoute("https://hooks.example/b"), sessionKey: "agent:main:subagent:gone" };
  await registerRoute(store.db, beside, LIMITS);
  expect(await sweep(["agent:main:subagent:gone", "agent:main:chat"])).toEqual([
    "agent:main:subagent:gone",
    "agent:main:subagent:used",
  ]);
  const left = ["agent:main:chat", "agent:main:subagent:used"];
  expect(await keysWith("routes")).toEqual(left);
  expect(await keysWith("route_counts")).toEqual(left);
  const { rows } = await store.db.query<{ n: number }>(
    "SELECT count(DISTINCT route_id)::int AS n FROM route_changes",
  );
  expect(rows[0]?.n).toBe(2);
  // A day later.
  expect(await sweep([])).toEqual([]);
});

test("a route of which a reply is kept stays as long as that, with its count", async () => {
  const key = "agent:main:subagent:answered";
  const route = await toParent(key);
  await store.add({ ...newDelivery(route?.routeId ?? "", "turn-1"), sessionKey: key });
  for (const claimed of await store.claim("a")) await store.sent(claimed);
  await sweep([key]);
  expect(await keysWith("routes")).toEqual([key]);
  await store.db.query("DELETE FROM deliveries");
  await store.db.query("UPDATE routes SET look_time = now() - interval '1 second'");
  await sweep([key]);
  expect(await keysWith("routes")).toEqual([]);
  expect(await keysWith("route_counts")).toEqual([]);
});

test("more keys than are asked after at once are gone through, each once", async () => {
  const keys = Array.from({ length: 7 }, (_, index) => `agent:main:subagent:${index}`);
  for (const key of keys) await toParent(key);
  expect(await sweep(keys, { keysLookedAt: 3 })).toEqual(keys);
  expect(await keysWith("routes")).toEqual([]);
});

test("nothing goes while session-identity cannot be asked", async () => {
  await toParent("agent:main:subagent:gone");
  const getSession = (() =>
    Promise.reject(storeUnavailable("away"))) as GoneKeysDeps["identity"]["getSession"];
  const deps = { db: store.db, identity: { getSession }, log: captureLog().log, limits: LIMITS };
  await expect(forgetGoneKeys(deps, never)).rejects.toThrow("away");
  expect(await keysWith("routes")).toEqual(["agent:main:subagent:gone"]);
});
