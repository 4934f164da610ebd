import { randomUUID } from "node:crypto";
import { systemIds } from "@lanekeeper/service";
import { expect, test } from "vitest";
import { asks, fenceOf, granted } from "../testing/asks.ts";
import { ended, progress } from "../testing/commands.ts";
import { testDatabase } from "../testing/database.ts";
import { startReplica } from "../testing/identity.ts";
import { turn } from "../testing/remembering.ts";

const database = testDatabase();

type Key = ReturnType<typeof asks>;

/** A replica that has served a key, and the lines by which it says that commits were lost. */
async function served() {
  const db = database.open();
  const { context, log } = await startReplica(db);
  const tenant = randomUUID();
  const key = asks(context.engine, tenant, "agent:main:chat");
  granted(await key.reserve());
  await turn(key);
  const told = () => log.lines.filter(({ msg }) => String(msg).includes("has lost"));
  return { db, tenant, key, told };
}

const ASKING: Readonly<Record<string, (key: Key) => Promise<unknown>>> = {
  "has a turn": turn,
  "is rotated": async (key) => granted(await key.rotate(randomUUID())),
};

test.each(Object.keys(ASKING))(
  "a row that is older than what was committed there is told, once, when its key %s",
  async (what) => {
    const { db, tenant, key, told } = await served();
    for (let n = 0; n < 2; n += 1) {
      await db.query("update session_keys set revision = revision - 1 where tenant = $1", [tenant]);
      await ASKING[what]?.(key);
    }
    expect(told()).toEqual([
      expect.objectContaining({ level: "error", tenant, session_key: "agent:main:chat" }),
    ]);
  },
);

test("what others have changed since is no loss", async () => {
  const { key, told, tenant } = await served();
  const { context } = await startReplica(database.open());
  const elsewhere = asks(context.engine, tenant, "agent:main:chat");
  const fence = fenceOf(await elsewhere.begin(systemIds.uuid()));
  granted(await key.write(progress(fence, 1n)));
  granted(await elsewhere.write(ended(fence)));
  granted(await elsewhere.rotate(randomUUID()));
  await turn(key);
  expect(told()).toEqual([]);
});
