import { expect, test } from "vitest";
import { DELIVERY_STATE_NAMES, hasEnded, stateCode } from "../domain/delivery-state.ts";
import { ATTEMPT_OUTCOMES } from "../domain/send-outcome.ts";
import { newDelivery } from "../testing/rows.ts";
import { testStore } from "../testing/test-store.ts";

const store = testStore();
const { route, add, claim, sent } = store;

test("the schema takes the states and outcomes of the tables and no others", async () => {
  const routeId = await route();
  const result = await add(newDelivery(routeId, "turn-1"));
  if (!("deliveryId" in result)) throw new Error("not enqueued");
  const set = (state: number, isEnded: boolean) =>
    store.db.query("UPDATE deliveries SET state = $1, end_time = CASE WHEN $2 THEN now() END", [
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
    store.db.query(
      "UPDATE attempts SET outcome = $1, end_time = CASE WHEN $1 = 'open' THEN NULL ELSE now() END",
      [outcome],
    );
  for (const outcome of ATTEMPT_OUTCOMES) await end(outcome);
  await expect(end("lost")).rejects.toThrow(/attempts_outcome/);
});

test("a claim and an end change no index, so that both are changes in place", async () => {
  const { rows } = await store.db.query<{ definition: string }>(
    `SELECT indexdef AS definition FROM pg_indexes
     WHERE schemaname = current_schema() AND tablename = 'deliveries' AND indexdef NOT LIKE '% brin %'`,
  );
  expect(rows.length).toBeGreaterThan(5);
  // What the statements of claim and end set, as far as an index could be about it.
  const changed =
    /\b(state|attempt_count|claim_time|replica|next_attempt_time|end_time|was_claimed)\b/;
  expect(rows.filter(({ definition }) => changed.test(definition))).toEqual([]);
});
