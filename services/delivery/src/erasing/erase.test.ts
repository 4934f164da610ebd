import { OnFailure } from "@lanekeeper/protocol/lanekeeper/delivery/v1/route";
import { ReplyState } from "@lanekeeper/protocol/lanekeeper/identity/v1/lifecycle";
import { systemIds } from "@lanekeeper/service";
import { beforeEach, expect, test } from "vitest";
import { LIMITS } from "../limits.ts";
import { redrive } from "../store/dead-letters/redrive.ts";
import { registerRoute } from "../store/routes/register-route.ts";
import type { Claimed } from "../store/sending/claimed.ts";
import { eraserOf } from "../testing/erasing.ts";
import { SESSION_ID, SESSION_KEY } from "../testing/replies.ts";
import { newDelivery, newRoute } from "../testing/rows.ts";
import { testStore } from "../testing/test-store.ts";

const store = testStore();
const { route, add, claim, end, sent, failed } = store;
const REFUSED = { kind: "refused", error: "410" } as const;

let eraser: ReturnType<typeof eraserOf>;
beforeEach(() => {
  eraser = eraserOf(store.db);
});

const through = (throughGeneration: bigint, sessionKey = SESSION_KEY) => ({
  keys: [{ sessionKey, throughGeneration }],
});

/** Of the key's generation. */
const said = (routeId: string, turn: string, generation = 1n, sessionKey = SESSION_KEY) =>
  add({ ...newDelivery(routeId, turn), generation, sessionKey });

async function claimOne(): Promise<Claimed> {
  const [claimed] = await claim("a");
  if (claimed === undefined) throw new Error("nothing was claimed");
  return claimed;
}

const allTold = () => store.db.query("UPDATE attempts SET untold = NULL");
/** As if everything had been registered an hour ago. */
const routesAreOld = () =>
  store.db.query("UPDATE routes SET update_time = update_time - interval '1 hour'");

async function column<T>(text: string): Promise<readonly T[]> {
  const { rows } = await store.db.query<{ v: T }>(text);
  return rows.map(({ v }) => v);
}
const turns = () => column<string>("SELECT turn_id AS v FROM deliveries ORDER BY 1");
const routeIds = () =>
  column<string>("SELECT route_id::text AS v FROM routes ORDER BY create_time");
const count = async (table: string) =>
  (await column<number>(`SELECT count(*)::int AS v FROM ${table}`))[0];

test("what was said through a generation goes with its attempts; what was said since, and elsewhere, stays with its routes", async () => {
  const routeId = await route();
  const other = { ...newRoute(), sessionKey: "agent:main:other" };
  const otherRoute = (await registerRoute(store.db, other, LIMITS))?.routeId ?? "";
  await said(routeId, "old-1", 1n);
  await said(routeId, "old-2", 2n);
  await said(routeId, "since", 3n);
  await said(otherRoute, "elsewhere", 1n, "agent:main:other");
  for (let n = 0; n < 3; n++) for (const claimed of await claim("a")) await sent(claimed);
  await store.db.query(
    `INSERT INTO deliveries (tenant, delivery_id, route_id, route_seq, session_key, session_id, generation, turn_id,
       request_id, fingerprint, principal, request_label, trace_id, traceparent, parts, state, create_time,
       expire_time, end_time)
     SELECT 'other', delivery_id, route_id, route_seq, session_key, session_id, generation, 'another tenant',
       request_id, fingerprint, principal, request_label, trace_id, traceparent, parts, state, create_time,
       expire_time, end_time
     FROM deliveries WHERE turn_id = 'old-1'`,
  );
  await allTold();
  await routesAreOld();
  const { erasureId } = eraser.erasures.add({ ...through(2n), returned: true });
  await eraser.look();
  expect(await turns()).toEqual(["another tenant", "elsewhere", "since"]);
  expect(await count("attempts")).toBe(2);
  expect(await routeIds()).toEqual([routeId, otherRoute]);
  expect(eraser.erasures.reported).toEqual([erasureId]);
  expect(eraser.told()).toMatchObject([{ erasure_id: erasureId, replies: 2, routes: 0, left: 0 }]);
  expect(eraser.log.text()).not.toContain(SESSION_KEY);
});

test("what waits for its next attempt in an hour is ended at once, and goes once session-identity has been told", async () => {
  const routeId = await route();
  await said(routeId, "retried");
  await said(routeId, "behind");
  await failed(await claimOne(), 3_600_000);
  await allTold();
  await said(routeId, "since", 2n);
  const { erasureId } = eraser.erasures.add({ ...through(1n), returned: true });
  await eraser.look();
  expect(await turns()).toEqual(["retried", "since"]);
  const { rows } = await store.db.query(
    "SELECT a.attempt, a.outcome, a.untold, d.state FROM attempts a JOIN deliveries d USING (delivery_id) ORDER BY 1",
  );
  expect(rows).toEqual([
    { attempt: 1, outcome: "failed", untold: null, state: 5 },
    { attempt: 2, outcome: "stale", untold: ReplyState.UNKNOWN, state: 5 },
  ]);
  expect(eraser.erasures.reported).toEqual([]);
  // Its route has gone on without it, and without a gap: what was reset away is none.
  expect(await claimOne()).toMatchObject({ turnId: "since", gapBefore: 0 });
  await allTold();
  await eraser.look();
  expect(await turns()).toEqual(["since"]);
  expect(eraser.erasures.reported).toEqual([erasureId]);
});

test("one that is being sent is left until it has ended, and what is behind it waits for that", async () => {
  const routeId = await route();
  await said(routeId, "under way");
  await said(routeId, "behind");
  await said(routeId, "since", 2n);
  const claimed = await claimOne();
  eraser.erasures.add({ ...through(1n), returned: true });
  await eraser.look();
  expect(await turns()).toEqual(["since", "under way"]);
  expect(await claim("b")).toEqual([]);
  expect(eraser.erasures.reported).toEqual([]);
  expect(await sent(claimed)).toMatchObject({ held: true, hasNext: true });
  await eraser.look();
  expect(await turns()).toEqual(["since", "under way"]);
  await allTold();
  await eraser.look();
  expect(await turns()).toEqual(["since"]);
  expect(eraser.erasures.reported).toHaveLength(1);
  expect(await claimOne()).toMatchObject({ turnId: "since" });
});

test("a dead letter that holds its route lets it go on, as one that is dismissed", async () => {
  await registerRoute(store.db, { ...newRoute(), onFailure: OnFailure.BLOCK }, LIMITS);
  const [routeId = ""] = await routeIds();
  await said(routeId, "dead");
  await end(await claimOne(), REFUSED);
  await said(routeId, "behind");
  await said(routeId, "since", 2n);
  eraser.erasures.add({ ...through(1n), returned: true });
  await eraser.look();
  // session-identity does not know of it yet.
  expect(await turns()).toEqual(["dead", "since"]);
  expect(await claim("b")).toEqual([]);
  await allTold();
  await eraser.look();
  expect(await turns()).toEqual(["since"]);
  expect(await claimOne()).toMatchObject({ turnId: "since", gapBefore: 1 });
});

test.each(["to be tried again in an hour", "a dead letter that holds the route", "being sent"])(
  "what waits behind another conversation's reply goes though that is %s",
  async (head) => {
    await registerRoute(store.db, { ...newRoute(), onFailure: OnFailure.BLOCK }, LIMITS);
    const [routeId = ""] = await routeIds();
    await said(routeId, "another", 1n, "agent:main:other");
    await said(routeId, "erased");
    await said(routeId, "last", 1n, "agent:main:other");
    const claimed = await claimOne();
    if (head === "to be tried again in an hour") await failed(claimed, 3_600_000);
    if (head === "a dead letter that holds the route") await end(claimed, REFUSED);
    const before = await column("SELECT (due_time, blocked_by)::text AS v FROM routes");
    eraser.erasures.add({ ...through(1n), returned: true });
    await eraser.look();
    expect(await turns()).toEqual(["another", "last"]);
    expect(await column("SELECT (due_time, blocked_by)::text AS v FROM routes")).toEqual(before);
    expect(await claim("b")).toEqual([]);
    expect(eraser.erasures.reported).toHaveLength(1);
  },
);

test("what was said before goes also where a redrive has given it the generation that stands now", async () => {
  const routeId = await route();
  await said(routeId, "redriven");
  await end(await claimOne(), REFUSED);
  await allTold();
  const [deliveryId = ""] = await column<string>("SELECT delivery_id::text AS v FROM deliveries");
  await redrive(store.db, {
    ...{ tenant: "acme", deliveryId, routeId, requestId: "again", expireMs: 60_000 },
    ...{ fenceId: systemIds.uuid(), principal: "tester", note: "" },
    session: { sessionId: SESSION_ID, generation: 2n },
  });
  eraser.erasures.add({ ...through(1n), returned: true });
  await eraser.look();
  await allTold();
  await eraser.look();
  expect(await turns()).toEqual([]);
  expect(await count("dead_letter_acts")).toBe(0);
});

test("a reply of an erased turn that is handed over late goes with the next look", async () => {
  const routeId = await route();
  await said(routeId, "late");
  await sent(await claimOne());
  await allTold();
  const erasure = eraser.erasures.add({ ...through(1n), returned: true, settled: false });
  await eraser.look();
  expect(await turns()).toEqual([]);
  // The same request: it is known no more.
  expect(await said(routeId, "late")).toMatchObject({ kind: "enqueued" });
  erasure.settled = true;
  await eraser.look();
  expect(await turns()).toEqual([]);
  expect(eraser.erasures.reported).toHaveLength(1);
});
