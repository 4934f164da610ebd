import { PeerKind } from "@lanekeeper/protocol/lanekeeper/identity/v1/key";
import { expect, test } from "vitest";
import { newTenant } from "../testing/calls.ts";
import { testDatabase } from "../testing/database.ts";
import { RestartedDb } from "../testing/drive/restarted-db.ts";
import { startReplica } from "../testing/identity.ts";

const database = testDatabase();

const named = (peerId: string) =>
  ({
    name: { case: "peer", value: { channel: "matrix", kind: PeerKind.DIRECT, peerId } },
  }) as const;

test("policies that a failover lost are not gone by, though others have become their version since", async () => {
  const server = new RestartedDb();
  const replica = await startReplica(server.on(database.open()));
  const other = await startReplica(database.open());
  const tenant = await newTenant(replica.client("cli"));
  const client = replica.client("ingress", { tenant });
  const key = async (peerId: string) =>
    (await client.resolveSession(named(peerId))).session?.ref?.sessionKey;
  expect(await key("before")).toBe("agent:main:matrix:direct:before");
  // The standby that was promoted had not got them; what is applied then is its first version too.
  server.restart();
  await database
    .open()
    .query("update key_policies set dm_scope = 'main' where tenant = $1", [tenant]);
  const elsewhere = other.client("ingress", { tenant });
  const { session } = await elsewhere.resolveSession(named("after"));
  expect([await key("after"), session?.ref?.sessionKey]).toEqual([
    "agent:main:main",
    "agent:main:main",
  ]);
});
