import { systemIds } from "@lanekeeper/service";
import { expect, test } from "vitest";
import { fenceOf, granted } from "../testing/asks.ts";
import { ended, progress } from "../testing/commands.ts";
import { testDatabase } from "../testing/database.ts";
import { RestartedDb } from "../testing/drive/restarted-db.ts";
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
  const begun = granted(await key.begin(systemIds.uuid(), { acceptMs: Date.now() + 1_000 }));
  expect(begun.rolledOver?.reason).toBe("idle");
});
