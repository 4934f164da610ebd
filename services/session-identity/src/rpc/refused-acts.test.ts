import { PeerKind } from "@lanekeeper/protocol/lanekeeper/identity/v1/key";
import { describe, expect, test } from "vitest";
import { failure, newTenant } from "../testing/calls.ts";
import { testDatabase } from "../testing/database.ts";
import { type IdentityClient, startReplica } from "../testing/identity.ts";

const database = testDatabase();

async function start() {
  const replica = await startReplica(database.open());
  const tenant = await newTenant(replica.client("cli"));
  const client = replica.client("ingress", { tenant, principal: "operator" });
  const open = (value: string) => client.resolveSession({ name: { case: "rawKey", value } });
  return { client, open };
}

const key = (name: string) => `agent:main:${name}`;

describe("what operators and adapters are refused stands in the journals of the keys that exist", () => {
  const refusals = async (client: IdentityClient, name: string) => {
    const { entries } = await client.listJournal({ sessionKey: key(name), refusedOnly: true });
    return entries.map(({ operation, reason, principal, count }) =>
      [operation, reason, principal, String(count)].join(" "),
    );
  };

  test("aliases and merges, equal ones once", async () => {
    const { client, open } = await start();
    await open("one");
    await open("two");
    const alias = { aliasSessionKey: key("one"), sessionKey: key("two") };
    for (let n = 0; n < 2; n += 1) await failure(client.registerAlias(alias));
    const merge = { sessionKey: key("one"), survivorSessionKey: key("none") };
    await failure(client.mergeSessions({ requestId: "m", ...merge }));
    const told = ["merge NOT_FOUND operator 1", "register_alias ALIAS_CONFLICT operator 2"];
    expect(await refusals(client, "one")).toEqual(told);
    expect(await refusals(client, "two")).toEqual(told.slice(1));
    // Names that nobody holds would fill it.
    expect(await refusals(client, "none")).toEqual([]);
  });

  test("each of many that come at once, whichever of two keys they name first", async () => {
    const { client, open } = await start();
    await open("one");
    await open("two");
    const alias = (from: string, to: string) =>
      failure(client.registerAlias({ aliasSessionKey: key(from), sessionKey: key(to) }));
    const pairs = Array.from({ length: 40 }, () => [alias("one", "two"), alias("two", "one")]);
    await Promise.all(pairs.flat());
    const told = ["register_alias ALIAS_CONFLICT operator 80"];
    expect(await refusals(client, "one")).toEqual(told);
    expect(await refusals(client, "two")).toEqual(told);
  });

  test("links and equivalences", async () => {
    const { client } = await start();
    const peer = (peerId: string) => ({ channel: "matrix", kind: PeerKind.DIRECT, peerId });
    const openPeer = (peerId: string) =>
      client.resolveSession({ name: { case: "peer", value: peer(peerId) } });
    await client.linkPeer({ peer: peer("a"), person: "ann" });
    await openPeer("a");
    await openPeer("b");
    await failure(client.linkPeer({ peer: peer("b"), person: "ann" }));
    await client.linkPeer({ peer: peer("c"), person: "bob" });
    await failure(client.registerEquivalence({ peer: peer("c"), sameAs: peer("a") }));
    const told = "link_peer ALIAS_CONFLICT operator 1";
    expect(await refusals(client, "matrix:direct:b")).toEqual([told]);
    expect(await refusals(client, "direct:person:ann")).toContain(told);
  });
});
