import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { endAttempt } from "../domain/attempt-ending.ts";
import { DELIVERY_STATE_NAMES, hasEnded, stateCode } from "../domain/delivery-state.ts";
import { ATTEMPT_OUTCOMES, type SendOutcome } from "../domain/send-outcome.ts";
import { newDelivery, newRoute } from "../testing/rows.ts";
import { QUICK } from "../testing/test-delivery.ts";
import { startTestSchemas, type TestSchemas } from "../testing/test-schemas.ts";
import { readBacklog } from "./deliveries/backlog.ts";
import { claimDue } from "./sending/claim-due.ts";
import type { Claimed } from "./sending/claimed.ts";
import type { NewDelivery } from "./deliveries/enqueue.ts";
import { listDeliveries } from "./deliveries/list-deliveries.ts";
import { registerRoute } from "./routes/register-route.ts";
import { ReplySteps } from "./sending/reply-steps.ts";
import { removeExpired } from "./retention.ts";
import type { DeliveryDatabase } from "./sql.ts";

let schemas: TestSchemas;
let db: DeliveryDatabase;
let steps: ReplySteps;

beforeAll(async () => {
  schemas = await startTestSchemas();
});
afterAll(() => schemas[Symbol.asyncDispose]());
beforeEach(async () => {
  db = await schemas.open();
  steps = stepsOf(1_000);
});

async function route(address?: string): Promise<string> {
  const stored = await registerRoute(db, newRoute(address), 100);
  if (stored === undefined) throw new Error("no route");
  return stored.routeId;
}

const stepsOf = (waitingPerRoute: number) => new ReplySteps(db, "a", { ...QUICK, waitingPerRoute });
const add = (delivery: NewDelivery) => steps.enqueue(delivery);
const claim = (replica: string, leaseMs = 30_000) => claimDue(db, { replica, leaseMs }, 32);

function end(claimed: Claimed, outcome: SendOutcome, wantsNext = false) {
  const { failureCount, perhapsSent } = claimed;
  const facts = { failureCount, wasClaimed: true, claimedNow: true, perhapsSent };
  const ending = endAttempt(outcome, facts, { ...QUICK, random: 0 });
  const { report: untold } = ending;
  return steps.finish({ claimed, ending, wasClaimed: true, pieceCount: 1, untold, wantsNext });
}

const sent = (claimed: Claimed) => end(claimed, { kind: "sent", providerMessageId: "" });
const failed = (claimed: Claimed, retryAfterMs = 0) =>
  end(claimed, { kind: "failed", error: "503", retryAfterMs });

test("racers for one place get one route, and its count stays true", async () => {
  const racers = await Promise.all(
    Array.from({ length: 8 }, () => registerRoute(db, newRoute(), 100)),
  );
  expect(new Set(racers.map((stored) => stored?.routeId)).size).toBe(1);
  expect(new Set(racers.map((stored) => stored?.signingSecret)).size).toBe(1);
  const { rows } = await db.query("SELECT route_count FROM route_counts");
  expect(rows).toEqual([{ route_count: 1 }]);
});

test("a key has no more routes than it may, also when they are registered at once", async () => {
  const made = await Promise.all(
    Array.from({ length: 10 }, (_, index) =>
      registerRoute(db, newRoute(`https://hooks.example/${index}`), 4),
    ),
  );
  expect(made.filter((stored) => stored !== undefined)).toHaveLength(4);
  const { rows } = await db.query<{ n: number }>("SELECT count(*)::int AS n FROM routes");
  expect(rows[0]?.n).toBe(4);
});

test("a repeated request has the effect of one; with other content it is refused", async () => {
  const routeId = await route();
  const racers = await Promise.all(
    Array.from({ length: 8 }, () => add(newDelivery(routeId, "turn-1"))),
  );
  expect(racers.filter(({ kind }) => kind === "enqueued")).toHaveLength(1);
  expect(new Set(racers.map((result) => "deliveryId" in result && result.deliveryId)).size).toBe(1);
  expect(await add(newDelivery(routeId, "turn-1", "other"))).toEqual({ kind: "mismatch" });
});

test("one request id on two routes at once is stored once; the other is a mismatch", async () => {
  const routes = await Promise.all([1, 2, 3, 4].map((n) => route(`https://hooks.example/${n}`)));
  const results = await Promise.all(
    routes.map((routeId) => add(newDelivery(routeId, "turn-1", routeId))),
  );
  const kinds = results.map(({ kind }) => kind).sort();
  expect(kinds).toEqual(["enqueued", "mismatch", "mismatch", "mismatch"]);
});

test("another tenant's route is no route", async () => {
  const delivery = { ...newDelivery(await route(), "turn-1"), tenant: "other" };
  expect(await add(delivery)).toEqual({ kind: "no_route" });
});

test("the order on a route is the order of commit, without gaps", async () => {
  const routeId = await route();
  const commits: string[] = [];
  await Promise.all(
    Array.from({ length: 20 }, async (_, index) => {
      const result = await add(newDelivery(routeId, `turn-${index}`));
      if ("deliveryId" in result) commits.push(result.deliveryId);
    }),
  );
  const { rows } = await db.query<{ route_seq: bigint; xmin: string }>(
    "SELECT route_seq, xmin::text FROM deliveries ORDER BY route_seq",
  );
  expect(rows.map(({ route_seq }) => Number(route_seq))).toEqual(
    Array.from({ length: 20 }, (_, index) => index + 1),
  );
  expect(commits).toHaveLength(20);
});

test("a transaction that has drawn a sequence keeps later ones waiting until it ends", async () => {
  const routeId = await route();
  let later: Promise<unknown> | undefined;
  await db.transaction(async (sql) => {
    await sql.query("UPDATE routes SET last_seq = last_seq + 1 WHERE route_id = $1", [routeId]);
    later = add(newDelivery(routeId, "turn-2"));
    const isBlocked = "SELECT count(*)::int AS n FROM pg_locks WHERE NOT granted";
    for (;;) {
      const { rows } = await sql.query<{ n: number }>(isBlocked);
      if (rows[0]?.n === 1) break;
    }
  });
  expect(await later).toMatchObject({ kind: "enqueued", routeSeq: 2n });
});

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
  const { rows } = await db.query(
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
      for (const claimed of await claimDue(db, { replica, leaseMs: 30_000 }, 2)) {
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
  const { rows } = await db.query<{ state: number; outcome: string; error: string }>(
    "SELECT d.state, a.outcome, a.error FROM deliveries d JOIN attempts a USING (delivery_id) WHERE a.attempt = 1",
  );
  expect(rows).toEqual([{ state: 2, outcome: "sent", error: "late: " }]);
  expect(await sent(successor)).toEqual({ held: true, hasNext: false, next: undefined });
});

test("a retry that comes after its expire_time is due when it expires", async () => {
  const routeId = await route();
  const expireTime = new Date(Date.now() + 60_000);
  await add({ ...newDelivery(routeId, "turn-1"), expireTime });
  const [head] = await claim("a");
  if (head === undefined) throw new Error("nothing was claimed");
  await failed(head, 3_600_000);
  const { rows } = await db.query<{ due_time: Date }>("SELECT due_time FROM routes");
  expect(rows[0]?.due_time).toEqual(expireTime);
});

test("the schema takes the states and outcomes of the tables and no others", async () => {
  const routeId = await route();
  const result = await add(newDelivery(routeId, "turn-1"));
  if (!("deliveryId" in result)) throw new Error("not enqueued");
  const set = (state: number, isEnded: boolean) =>
    db.query("UPDATE deliveries SET state = $1, end_time = CASE WHEN $2 THEN now() END", [
      state,
      isEnded,
    ]);
  for (const name of DELIVERY_STATE_NAMES) {
    await set(stateCode(name), hasEnded(name));
    await expect(set(stateCode(name), !hasEnded(name))).rejects.toThrow(/deliveries_ended/);
  }
  await expect(set(0, false)).rejects.toThrow(/deliveries_state/);
  await expect(set(DELIVERY_STATE_NAMES.length + 1, false)).rejects.toThrow(/deliveries_state/);
  await set(stateCode("PENDING"), false);
  const [head] = await claim("a");
  if (head !== undefined) await sent(head);
  const end = (outcome: string) =>
    db.query(
      "UPDATE attempts SET outcome = $1, end_time = CASE WHEN $1 = 'open' THEN NULL ELSE now() END",
      [outcome],
    );
  for (const outcome of ATTEMPT_OUTCOMES) await end(outcome);
  await expect(end("lost")).rejects.toThrow(/attempts_outcome/);
});

test("what is past its retention goes, and nothing else", async () => {
  const routeId = await route();
  for (const turn of ["old", "dead", "fresh", "open"]) {
    await add(newDelivery(routeId, turn));
    const [head] = await claim("a");
    if (head !== undefined && turn !== "open") await sent(head);
  }
  await db.query(
    `UPDATE deliveries SET end_time = now() - interval '31 days' WHERE turn_id = 'old'`,
  );
  await db.query(
    `UPDATE deliveries SET state = 4, end_time = now() - interval '15 days' WHERE turn_id = 'dead'`,
  );
  await db.query(
    `UPDATE deliveries SET end_time = now() - interval '15 days' WHERE turn_id = 'fresh'`,
  );
  await db.query(`UPDATE attempts SET start_time = now() - interval '31 days' WHERE delivery_id =
    (SELECT delivery_id FROM deliveries WHERE turn_id = 'old')`);
  expect(await removeExpired(db, { ...QUICK, retentionBatch: 1 })).toBe(true);
  while (await removeExpired(db, QUICK));
  const left = await db.query<{ turn_id: string }>("SELECT turn_id FROM deliveries ORDER BY 1");
  expect(left.rows.map(({ turn_id }) => turn_id)).toEqual(["fresh", "open"]);
  const attempts = await db.query<{ n: number }>("SELECT count(*)::int AS n FROM attempts");
  // One is under way.
  expect(attempts.rows[0]?.n).toBe(2);
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

test("a route takes no more waiting replies than it may, but repeats of those it took", async () => {
  const routeId = await route();
  const twoAtMost = (turn: string) => stepsOf(2).enqueue(newDelivery(routeId, turn));
  await twoAtMost("turn-1");
  await twoAtMost("turn-2");
  expect(await twoAtMost("turn-3")).toEqual({ kind: "full" });
  expect(await twoAtMost("turn-2")).toMatchObject({ kind: "repeated" });
  const [head] = await claim("a");
  if (head === undefined) throw new Error("nothing was claimed");
  await sent(head);
  expect(await twoAtMost("turn-3")).toMatchObject({ kind: "enqueued", routeSeq: 3n });
});

test("each state lists what stands in it, and nothing else", async () => {
  const routeId = await route();
  const outcomes: Record<string, SendOutcome> = {
    SENT: { kind: "sent", providerMessageId: "" },
    FAILED: { kind: "refused", error: "410" },
    UNKNOWN: { kind: "held", error: "nobody can tell" },
    SUPPRESSED_STALE: { kind: "not_sent", why: "stale", error: "reset" },
  };
  for (const [turn, outcome] of Object.entries(outcomes)) {
    await add(newDelivery(routeId, turn));
    const [head] = await claim("a");
    if (head === undefined) throw new Error("nothing was claimed");
    const facts = { failureCount: 0, wasClaimed: false, claimedNow: false, perhapsSent: false };
    const ending = endAttempt(outcome, facts, { ...QUICK, random: 0 });
    const rest = { wasClaimed: false, pieceCount: 1, untold: undefined, wantsNext: false };
    await steps.finish({ claimed: head, ending, ...rest });
  }
  for (const turn of ["SENDING", "PENDING"]) await add(newDelivery(routeId, turn));
  await claim("a");
  for (const name of DELIVERY_STATE_NAMES) {
    const filter = { tenant: "acme", state: stateCode(name), agents: [], keyPrefixes: [] };
    const listed = await listDeliveries(db, { ...filter, deadLettersOnly: false }, 10);
    expect(listed.map(({ turnId }) => turnId)).toEqual([name]);
  }
});

test("a claim and an end change no index, so that both are changes in place", async () => {
  const { rows } = await db.query<{ definition: string }>(
    `SELECT indexdef AS definition FROM pg_indexes
     WHERE schemaname = current_schema() AND tablename = 'deliveries' AND indexdef NOT LIKE '% brin %'`,
  );
  expect(rows.length).toBeGreaterThan(5);
  // What the statements of claim and end set, as far as an index could be about it.
  const changed =
    /\b(state|attempt_count|claim_time|replica|next_attempt_time|end_time|was_claimed)\b/;
  expect(rows.filter(({ definition }) => changed.test(definition))).toEqual([]);
});

test("a route that goes on under the lease that it has is not written, and its end lets others in", async () => {
  const routeId = await route();
  const turns = Array.from({ length: 40 }, (_, n) => `turn-${n}`);
  for (const turn of turns) await add(newDelivery(routeId, turn));
  const version = async () =>
    (await db.query<{ at: string }>("SELECT ctid::text AS at FROM routes")).rows[0]?.at;
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

test("the backlog tells of what is open by its age, within its bound", async () => {
  const routeId = await route();
  for (const turn of ["turn-1", "turn-2", "turn-3"]) await add(newDelivery(routeId, turn));
  const [head] = await claim("a");
  if (head === undefined) throw new Error("nothing was claimed");
  await sent(head);
  await db.query(
    "UPDATE deliveries SET create_time = now() - interval '5 min' WHERE route_seq = 3",
  );
  const backlog = await readBacklog(db, 10);
  expect(backlog.toSorted((a, b) => a.age.localeCompare(b.age))).toEqual([
    { age: "under_10m", count: 1 },
    { age: "under_10s", count: 1 },
  ]);
  expect(await readBacklog(db, 1)).toHaveLength(1);
});

test("many at once, on two replicas, under one request id twice: each once, in the order of its route", async () => {
  const routes = await Promise.all(
    Array.from({ length: 9 }, (_, n) => route(`https://h.example/${n}`)),
  );
  const replicas = [steps, stepsOf(1_000)];
  const asked = routes.flatMap((routeId, n) =>
    Array.from({ length: 5 }, (_, i) => newDelivery(routeId, `turn-${n}-${i}`)),
  );
  const results = await Promise.all(
    replicas.flatMap((replica) => asked.map((one) => replica.enqueue(one))),
  );
  const kinds = results.map(({ kind }) => kind);
  expect(kinds.filter((kind) => kind === "enqueued")).toHaveLength(asked.length);
  expect(kinds.filter((kind) => kind === "repeated")).toHaveLength(asked.length);
  const { rows } = await db.query(
    `SELECT array_agg(route_seq ORDER BY route_seq) AS seqs FROM deliveries GROUP BY route_id`,
  );
  expect(rows).toEqual(routes.map(() => ({ seqs: [1n, 2n, 3n, 4n, 5n] })));

  const ended: string[] = [];
  for (let claimed = await claim("a"); claimed.length > 0; claimed = await claim("a")) {
    const finished = await Promise.all(claimed.map(sent));
    expect(finished.every(({ held }) => held)).toBe(true);
    ended.push(...claimed.map(({ turnId }) => turnId));
  }
  expect(ended.toSorted()).toEqual(asked.map(({ turnId }) => turnId).toSorted());
});
