import { expect, test } from "vitest";
import { LIMITS } from "../limits.ts";
import { applyMain, Attached, turnFor } from "../testing/requests.ts";
import { testWorlds } from "../testing/test-worlds.ts";

const worlds = testWorlds();

/** More than two batches, as a busy installation leaves them between two sweeps. */
const OLD = 2 * LIMITS.retentionBatch + 1;

test("one sweep takes away all that is past its retention, however much came since the last one", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica);
  const first = new Attached(replica, { submit: turnFor(world, "long ago") });
  await first.ended;
  await new Attached(replica, { submit: turnFor(world, "just now") }).ended;
  const { turnId } = first;
  await world.db.query(
    "update turns set end_time = end_time - interval '30 days' where turn_id = $1",
    [turnId],
  );
  await world.db.query(
    "update turn_events set create_time = create_time - interval '30 days' where turn_id = $1",
    [turnId],
  );
  await world.db.query(
    "update idempotency set create_time = create_time - interval '30 days' where turn_id = $1",
    [turnId],
  );
  await world.db.query(
    `insert into turn_events (tenant, turn_id, first_seq, last_seq, body, create_time)
     select tenant, turn_id, 1000000 + n, 1000000 + n, '', end_time
     from turns, generate_series(1, $2) n where turn_id = $1`,
    [turnId, OLD],
  );
  await world.db.query(
    `insert into idempotency select (jsonb_populate_record(i,
       jsonb_build_object('key', 'old-' || n))).*
     from idempotency i, generate_series(1, $2) n where turn_id = $1`,
    [turnId, OLD],
  );
  await replica.context.sweeper.sweepOnce();
  for (const table of ["turn_events", "idempotency"]) {
    const { rows } = await world.db.query<{ turn_id: string }>(
      `select distinct turn_id from ${table}`,
    );
    expect([table, rows.map((row) => row.turn_id === turnId)]).toEqual([table, [false]]);
  }
});
