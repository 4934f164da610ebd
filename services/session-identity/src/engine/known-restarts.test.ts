import { randomUUID } from "node:crypto";
import { systemIds } from "@lanekeeper/service";
import { expect, test } from "vitest";
import { raiseFences } from "../store/keys/raise-fences.ts";
import { fenceOf, granted } from "../testing/asks.ts";
import { ended, progress } from "../testing/commands.ts";
import { testDatabase } from "../testing/database.ts";
import { heldDb } from "../testing/drive/held-db.ts";
import { RestartedDb } from "../testing/drive/restarted-db.ts";
import { untilWaiting } from "../testing/locks.ts";
import { idlePolicies, remembering, turn } from "../testing/remembering.ts";

const database = testDatabase();
const { served } = remembering(database);

test("a server that was started anew, and may stand at a backup, is believed by its rows alone", async () => {
  const server = new RestartedDb();
  const { key, told } = await served(server.on(database.open()));
  server.restart();
  granted(await key.write(ended(fenceOf(await key.begin(systemIds.uuid())))));
  expect(told).toEqual({ written: 1, outdated: 1 });
  await turn(key);
  expect(told).toEqual({ written: 3, outdated: 1 });
});

test("policies that were judged by before a restart are read again, whatever their version", async () => {
  const server = new RestartedDb();
  const { key, told, tenant } = await served(server.on(database.open()));
  await idlePolicies(database.open(), tenant, 3_600_000);
  const fence = fenceOf(await key.begin(systemIds.uuid()));
  told.written = 0;
  // A backup from before them is put in place, and others become the tenant's first version.
  server.restart();
  await database
    .open()
    .query("update key_policies set idle_after_ms = 0 where tenant = $1", [tenant]);
  granted(await key.write(progress(fence, 1n)));
  granted(await key.write(ended(fence)));
  expect(told.written).toBe(1);
  const begun = granted(
    await key.begin(systemIds.uuid(), { turnId: "next", acceptMs: Date.now() + 1_000 }),
  );
  expect(begun.rolledOver?.reason).toBe("idle");
});

/** Last: keys that are made from then on begin above all others. */
test("fences that are being raised are waited for, and what was remembered is of before them", async () => {
  const { key, told } = await served();
  // The server plans a statement for all its parameters once it has run often.
  for (let n = 0; n < 12; n += 1) await turn(key);
  const fence = fenceOf(await key.begin(systemIds.uuid()));
  told.written = 0;
  const db = database.open();
  const held = heldDb(database.open(), "COMMIT");
  const asker = { source: "cli", principal: "operator", requestId: "r", traceId: "" };
  const raised = raiseFences(held.db, randomUUID(), "a restore", asker);
  await held.reached;
  const ending = key.write(ended(fence));
  await untilWaiting(db, 1);
  held.release();
  await raised;
  expect(await ending).toMatchObject({ reason: "STALE_GENERATION" });
  expect(told).toMatchObject({ written: 0, outdated: 1 });
});
