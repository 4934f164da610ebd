import { expect, test } from "vitest";
import { newDelivery } from "../testing/rows.ts";
import { QUICK } from "../testing/test-delivery.ts";
import { currentAddress, recordMove } from "./routes/moved-addresses.ts";
import { removeExpired } from "./retention.ts";
import { testStore } from "../testing/test-store.ts";

const store = testStore();
const { route, add, claim, sent } = store;

test("a move of which nobody has told for as long as replies are kept is forgotten", async () => {
  const place = { tenant: "acme", kind: 2, accountId: "T1" };
  const now = new Date();
  await recordMove(store.db, { ...place, address: "C1" }, "C2", undefined, now);
  await recordMove(store.db, { ...place, address: "C3" }, "C4", undefined, now);
  await store.db.query(
    `UPDATE moved_addresses SET update_time = now() - interval '31 days' WHERE address IN ('C1', 'C2')`,
  );
  while (await removeExpired(store.db, QUICK));
  expect(await currentAddress(store.db, { ...place, address: "C1" })).toBe("C1");
  expect(await currentAddress(store.db, { ...place, address: "C3" })).toBe("C4");
});

test("what is past its retention goes, and nothing else", async () => {
  const routeId = await route();
  for (const turn of ["old", "dead", "fresh", "open"]) {
    await add(newDelivery(routeId, turn));
    const [head] = await claim("a");
    if (head !== undefined && turn !== "open") await sent(head);
  }
  await store.db.query(
    `UPDATE deliveries SET end_time = now() - interval '31 days' WHERE turn_id = 'old'`,
  );
  await store.db.query(
    `UPDATE deliveries SET state = 4, end_time = now() - interval '15 days' WHERE turn_id = 'dead'`,
  );
  await store.db.query(
    `UPDATE deliveries SET end_time = now() - interval '15 days' WHERE turn_id = 'fresh'`,
  );
  await store.db.query(
    `INSERT INTO dead_letter_acts SELECT tenant, delivery_id, 1, 1, 'p', turn_id, 4, 1, now() FROM deliveries
     WHERE turn_id IN ('dead', 'fresh')`,
  );
  await store.db.query(`UPDATE attempts SET start_time = now() - interval '31 days' WHERE delivery_id =
    (SELECT delivery_id FROM deliveries WHERE turn_id = 'old')`);
  expect(await removeExpired(store.db, { ...QUICK, retentionBatch: 1 })).toBe(true);
  while (await removeExpired(store.db, QUICK));
  const left = await store.db.query<{ turn_id: string }>(
    "SELECT turn_id FROM deliveries ORDER BY 1",
  );
  expect(left.rows.map(({ turn_id }) => turn_id)).toEqual(["fresh", "open"]);
  const attempts = await store.db.query<{ n: number }>("SELECT count(*)::int AS n FROM attempts");
  // One is under way, and that of the dead letter went with it.
  expect(attempts.rows[0]?.n).toBe(1);
  const acts = await store.db.query("SELECT note FROM dead_letter_acts");
  expect(acts.rows).toEqual([{ note: "fresh" }]);
});
