import { expect, test } from "vitest";
import { newDelivery } from "../../testing/rows.ts";
import { testStore } from "../../testing/test-store.ts";

const store = testStore();
const { route, stepsOf, add, claim, sent } = store;

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
  const { rows } = await store.db.query<{ route_seq: bigint; xmin: string }>(
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
  await store.db.transaction(async (sql) => {
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

test("many at once, on two replicas, under one request id twice: each once, in the order of its route", async () => {
  const routes = await Promise.all(
    Array.from({ length: 9 }, (_, n) => route(`https://h.example/${n}`)),
  );
  const replicas = [store.steps, stepsOf(1_000)];
  const asked = routes.flatMap((routeId, n) =>
    Array.from({ length: 5 }, (_, i) => newDelivery(routeId, `turn-${n}-${i}`)),
  );
  const results = await Promise.all(
    replicas.flatMap((replica) => asked.map((one) => replica.enqueue(one))),
  );
  const kinds = results.map(({ kind }) => kind);
  expect(kinds.filter((kind) => kind === "enqueued")).toHaveLength(asked.length);
  expect(kinds.filter((kind) => kind === "repeated")).toHaveLength(asked.length);
  const { rows } = await store.db.query(
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
