import { OnFailure } from "@lanekeeper/protocol/lanekeeper/delivery/v1/route";
import { expect, test } from "vitest";
import { newDelivery } from "../../testing/rows.ts";
import { claimDue } from "./claim-due.ts";
import { redriven, redrivenPastASlowOne } from "../../testing/slow-one.ts";
import { testStore } from "../../testing/test-store.ts";

const store = testStore();
const { route, add, claim, end, sent, failed } = store;

test("only the head of a route is claimed, by one pump, until it has ended", async () => {
  const routeId = await route();
  for (const turn of ["turn-1", "turn-2"]) await add(newDelivery(routeId, turn));
  const claims = await Promise.all(["a", "b", "c", "d"].map((replica) => claim(replica)));
  const [head, ...others] = claims.flat();
  expect(others).toEqual([]);
  expect(head?.turnId).toBe("turn-1");
  expect(await claim("e")).toEqual([]);
  if (head === undefined) throw new Error("nothing was claimed");
  expect(await sent(head)).toEqual({ held: true, hasNext: true, next: undefined });
  expect((await claim("e")).map(({ turnId }) => turnId)).toEqual(["turn-2"]);
});

test("the next of a route is claimed with the end of the one before it, if it is due and wanted", async () => {
  const routeId = await route();
  for (const turn of ["turn-1", "turn-2", "turn-3"]) await add(newDelivery(routeId, turn));
  const [head] = await claim("a");
  if (head === undefined) throw new Error("nothing was claimed");
  const { next } = await end(head, { kind: "sent", providerMessageId: "" }, true);
  expect(next).toMatchObject({ turnId: "turn-2", attempt: 1, lostAttempt: false });
  expect(await claim("b")).toEqual([]);
  if (next === undefined) throw new Error("nothing was claimed");
  const retried = await end(next, { kind: "failed", error: "503", retryAfterMs: 60_000 }, true);
  expect(retried).toEqual({ held: true, hasNext: true, next: undefined });
  expect(await claim("b")).toEqual([]);
  const { rows } = await store.db.query(
    "SELECT attempt, outcome, replica FROM attempts ORDER BY end_time",
  );
  expect(rows).toEqual([
    { attempt: 1, outcome: "sent", replica: "a" },
    { attempt: 1, outcome: "failed", replica: "a" },
  ]);
});

test("pumps that race over many routes send each reply once and keep each route's order", async () => {
  const routes = await Promise.all(
    Array.from({ length: 6 }, (_, index) => route(`https://hooks.example/${index}`)),
  );
  for (let turn = 0; turn < 5; turn++) {
    for (const routeId of routes) await add(newDelivery(routeId, `${routeId}/${turn}`));
  }
  const order = new Map<string, bigint[]>(routes.map((routeId) => [routeId, []]));
  let left = 30;
  const pump = async (replica: string): Promise<void> => {
    while (left > 0) {
      for (const claimed of await claimDue(store.db, { replica, leaseMs: 30_000 }, 2)) {
        order.get(claimed.routeId)?.push(claimed.routeSeq);
        left -= 1;
        await sent(claimed);
      }
    }
  };
  await Promise.all(["a", "b", "c", "d"].map(pump));
  for (const seqs of order.values()) expect(seqs).toEqual([1n, 2n, 3n, 4n, 5n]);
});

test("a head that failed keeps its route back and no other", async () => {
  const first = await route("https://hooks.example/1");
  const second = await route("https://hooks.example/2");
  await add(newDelivery(first, "turn-1"));
  await add(newDelivery(first, "turn-2"));
  const [head] = await claim("a");
  if (head === undefined) throw new Error("nothing was claimed");
  await failed(head, 60_000);
  await add(newDelivery(second, "turn-3"));
  expect((await claim("a")).map(({ turnId }) => turnId)).toEqual(["turn-3"]);
});

test("a process that lost its lease cannot write over its successor, and is remembered", async () => {
  const routeId = await route();
  await add(newDelivery(routeId, "turn-1"));
  const [lost] = await claim("a", 0);
  const [successor] = await claim("b");
  if (lost === undefined || successor === undefined) throw new Error("nothing was claimed");
  expect(successor).toMatchObject({
    deliveryId: lost.deliveryId,
    attempt: 2,
    lostAttempt: true,
    wasClaimed: true,
    perhapsSent: true,
    hasUntold: true,
  });
  expect(await sent(lost)).toEqual({ held: false, hasNext: false, next: undefined });
  const { rows } = await store.db.query<{ state: number; outcome: string; error: string }>(
    "SELECT d.state, a.outcome, a.error FROM deliveries d JOIN attempts a USING (delivery_id) WHERE a.attempt = 1",
  );
  expect(rows).toEqual([{ state: 2, outcome: "sent", error: "late: " }]);
  expect(await sent(successor)).toEqual({ held: true, hasNext: false, next: undefined });
});

test("an end that comes after its lease leaves alone what another process sends by then", async () => {
  const { slow, again } = await redrivenPastASlowOne(store, await route());
  const late = await end(slow, { kind: "sent", providerMessageId: "" }, true);
  expect(late).toMatchObject({ held: true, next: undefined });
  expect(await claim("c")).toEqual([]);
  const { next } = await end(again, { kind: "sent", providerMessageId: "" }, true);
  expect(next).toMatchObject({ turnId: "turn-3", lostAttempt: false });
});

test("the same where one more was redriven, before what another process sends", async () => {
  const routeId = await route();
  await add(newDelivery(routeId, "turn-0"));
  const [dead] = await claim("a");
  if (dead === undefined) throw new Error("nothing was claimed");
  await end(dead, { kind: "refused", error: "410" });
  const { slow, again } = await redrivenPastASlowOne(store, routeId);
  await redriven(store, dead);
  const late = await end(slow, { kind: "sent", providerMessageId: "" }, true);
  expect(late).toMatchObject({ held: true, next: undefined });
  expect(await claim("c")).toEqual([]);
  const { next } = await end(again, { kind: "sent", providerMessageId: "" }, true);
  expect(next).toMatchObject({ turnId: "turn-0", lostAttempt: false });
});

test("a dead letter that comes after its lease keeps the route, also when what another process sends has ended", async () => {
  const routeId = await route();
  const { slow, again } = await redrivenPastASlowOne(store, routeId);
  await store.db.query("UPDATE routes SET on_failure = $1", [OnFailure.BLOCK]);
  expect(await end(slow, { kind: "refused", error: "410" }, true)).toMatchObject({
    ...{ held: true, hasNext: false },
  });
  const ended = await end(again, { kind: "sent", providerMessageId: "" }, true);
  expect(ended).toEqual({ held: true, hasNext: false, next: undefined });
  expect(await claim("c")).toEqual([]);
});

test("a retry that comes after its expire_time is due when it expires", async () => {
  const routeId = await route();
  const expireTime = new Date(Date.now() + 60_000);
  await add({ ...newDelivery(routeId, "turn-1"), expireTime });
  const [head] = await claim("a");
  if (head === undefined) throw new Error("nothing was claimed");
  await failed(head, 3_600_000);
  const { rows } = await store.db.query<{ due_time: Date }>("SELECT due_time FROM routes");
  expect(rows[0]?.due_time).toEqual(expireTime);
});

test("a failed attempt is tried again with its own number", async () => {
  const routeId = await route();
  await add(newDelivery(routeId, "turn-1"));
  const [first] = await claim("a");
  if (first === undefined) throw new Error("nothing was claimed");
  await failed(first);
  const [second] = await claim("b");
  expect(second).toMatchObject({ attempt: 2, lostAttempt: false, perhapsSent: false });
});

test("a route that goes on under the lease that it has is not written, and its end lets others in", async () => {
  const routeId = await route();
  const turns = Array.from({ length: 40 }, (_, n) => `turn-${n}`);
  for (const turn of turns) await add(newDelivery(routeId, turn));
  const version = async () =>
    (await store.db.query<{ at: string }>("SELECT ctid::text AS at FROM routes")).rows[0]?.at;
  let [next] = await claim("a");
  const versions = new Set([await version()]);
  const seen: string[] = [];
  while (next !== undefined) {
    seen.push(next.turnId);
    next = (await end(next, { kind: "sent", providerMessageId: "" }, true)).next;
    versions.add(await version());
  }
  expect(seen).toEqual(turns);
  // At the beginning, when 32 have been looked over, and at the end.
  expect(versions.size).toBe(3);
  await add(newDelivery(routeId, "one more"));
  expect((await claim("b")).map(({ turnId }) => turnId)).toEqual(["one more"]);
});

test("where room is scarce tenants with the fewest sends go first, each up to its share", async () => {
  const routesOf = async (tenant: string, count: number) => {
    for (let n = 0; n < count; n++) {
      const routeId = await route(`https://hooks.example/${tenant}/${n}`);
      await store.db.query("UPDATE routes SET tenant = $1 WHERE route_id = $2", [tenant, routeId]);
      await add({ ...newDelivery(routeId, `${tenant}-${n}`), tenant });
    }
  };
  await routesOf("busy", 5);
  await routesOf("full", 3);
  await routesOf("idle", 3);
  await routesOf("new", 1);
  const shares = {
    busy: new Map([
      ["busy", 2],
      ["full", 6],
    ]),
    perTenant: 6,
  };
  const claims = async (limit: number) => {
    const found = await claimDue(store.db, { replica: "a", leaseMs: 30_000 }, limit, shares);
    return found.map(({ tenant }) => tenant).toSorted();
  };
  expect(await claims(5)).toEqual(["busy", "idle", "idle", "idle", "new"]);
  expect(await claims(9)).toEqual(["busy", "busy", "busy", "busy"]);
  expect(await claims(9)).toEqual([]);
});
