import { PeerKind } from "@lanekeeper/protocol/lanekeeper/identity/v1/key";
import { describe, expect, test } from "vitest";
import { failure, newTenant } from "../testing/calls.ts";
import { testDatabase } from "../testing/database.ts";
import { startReplica } from "../testing/identity.ts";

const database = testDatabase();

async function start() {
  const db = database.open();
  const replica = await startReplica(db);
  const tenant = await newTenant(replica.client("cli"));
  const client = replica.client("ingress", { tenant, principal: "operator" });
  const runner = replica.client("runner", { tenant });
  const open = async (value: string) => {
    const { session } = await client.resolveSession({ name: { case: "rawKey", value } });
    return session?.ref;
  };
  return { db, replica, tenant, client, runner, open };
}

const key = (name: string) => `agent:main:${name}`;
const slack = (peerId: string) => ({
  channel: "slack",
  accountId: "T1",
  kind: PeerKind.DIRECT,
  peerId,
});
const named = (value: ReturnType<typeof slack>) => ({ name: { case: "peer", value } as const });

describe("equivalences", () => {
  test("the spelling that has the session brings it along", async () => {
    const { client } = await start();
    const before = await client.resolveSession(named(slack("D0123")));
    const registered = await client.registerEquivalence({
      ...{ peer: slack("U0456"), sameAs: slack("D0123"), source: "slack/1.4" },
    });
    expect(registered.equivalence).toMatchObject({
      peer: { peerId: "U0456" },
      sameAs: { peerId: "D0123" },
    });
    for (const id of ["D0123", "U0456"]) {
      const { session } = await client.resolveSession(named(slack(id)));
      expect(session?.ref).toEqual(before.session?.ref);
    }
    const again = await client.registerEquivalence({
      peer: slack("U0456"),
      sameAs: slack("D0123"),
    });
    expect(again.equivalence).toEqual(registered.equivalence);
  });

  test("a session that raced its migration notice goes into the older one", async () => {
    const { client } = await start();
    const older = await client.resolveSession(named(slack("D0123")));
    await client.resolveSession(named(slack("U0456")));
    const { merged } = await client.registerEquivalence({
      peer: slack("U0456"),
      sameAs: slack("D0123"),
    });
    expect(merged?.survivorSessionKey).toBe(older.session?.ref?.sessionKey);
    const { session } = await client.resolveSession(named(slack("U0456")));
    expect(session?.ref).toEqual(older.session?.ref);
  });

  test("two grown sessions are for an operator to merge", async () => {
    const { client, db, tenant } = await start();
    await client.resolveSession(named(slack("D0123")));
    await client.resolveSession(named(slack("U0456")));
    await db.query(
      "update session_keys set create_time = create_time - interval '11 minutes' where tenant = $1",
      [tenant],
    );
    const request = { peer: slack("U0456"), sameAs: slack("D0123") };
    const error = await failure(client.registerEquivalence(request));
    expect(error.reason).toBe("ALIAS_CONFLICT");
    const { session_key: sessionKey = "", other_session_key: other = "" } = error.metadata;
    await client.mergeSessions({
      requestId: "m",
      sessionKey: other,
      survivorSessionKey: sessionKey,
    });
    await client.registerEquivalence(request);
  });

  test("spellings of spellings are one peer", async () => {
    const { client } = await start();
    const first = await client.resolveSession(named(slack("D0001")));
    await client.registerEquivalence({ peer: slack("D0002"), sameAs: slack("D0001") });
    await client.registerEquivalence({ peer: slack("D0003"), sameAs: slack("D0002") });
    for (const id of ["D0001", "D0002", "D0003"]) {
      expect((await client.resolveSession(named(slack(id)))).session?.ref).toEqual(
        first.session?.ref,
      );
    }
    const explained = await client.explainKey(named(slack("D0001")));
    expect(explained.equivalences.map(({ peer }) => peer?.peerId)).toEqual(["D0003", "D0003"]);
  });
});

describe("persons", () => {
  const mail = { channel: "email", kind: PeerKind.DIRECT, peerId: "ann@example.org" };

  test("a person's channels share one session; the one that is there goes on", async () => {
    const { client } = await start();
    const before = await client.resolveSession(named(slack("U0456")));
    const linked = await client.linkPeer({ peer: slack("U0456"), person: "ann" });
    expect(linked.sessionKey).toBe(before.session?.ref?.sessionKey);
    await client.linkPeer({ peer: mail, person: "ann" });
    const byMail = await client.resolveSession({ name: { case: "peer", value: mail } });
    expect(byMail.session?.ref).toEqual(before.session?.ref);
    expect(byMail.binding?.sessionKey).toBe(key("direct:person:ann"));
  });

  test("the story of a peer tells of the equivalence and the link that lead it elsewhere", async () => {
    const { client } = await start();
    await client.resolveSession(named(slack("D0123")));
    await client.registerEquivalence({ peer: slack("U0456"), sameAs: slack("D0123") });
    await client.linkPeer({ peer: slack("U0456"), person: "ann" });
    const { steps, binding } = await client.explainKey(named(slack("D0123")));
    expect(binding?.sessionKey).toBe(key("direct:person:ann"));
    expect(steps.slice(-3)).toMatchObject([
      { rule: "equivalence", before: ":slack:T1:direct:D0123", after: ":slack:T1:direct:U0456" },
      { rule: "person-link", after: key("direct:person:ann") },
      { rule: "key-length", after: key("direct:person:ann") },
    ]);
    // What the rules alone make of it is another question.
    const { sessionKey } = await client.normalizeKey(named(slack("D0123")));
    expect(sessionKey).toBe(key("slack:T1:direct:D0123"));
  });

  test("threads of the peer go on under their new names", async () => {
    const { client } = await start();
    const thread = { ...slack("D0123"), threadId: "1700000000.000100" };
    const before = (await client.resolveSession(named(thread))).session?.ref;
    await client.registerEquivalence({ peer: slack("U0456"), sameAs: slack("D0123") });
    const renamed = { ...thread, peerId: "U0456" };
    expect((await client.resolveSession(named(renamed))).session?.ref).toEqual(before);
    await client.linkPeer({ peer: slack("U0456"), person: "ann" });
    for (const peer of [thread, renamed]) {
      const { session, binding } = await client.resolveSession(named(peer));
      expect(binding?.sessionKey).toContain(":direct:person:ann:thread:");
      expect(session?.ref).toEqual(before);
    }
  });

  test("a spelling of a linked peer brings its own session to the person", async () => {
    const { client } = await start();
    const before = (await client.resolveSession(named(slack("D0123")))).session?.ref;
    await client.linkPeer({ peer: slack("U0456"), person: "ann" });
    await client.registerEquivalence({ peer: slack("D0123"), sameAs: slack("U0456") });
    for (const id of ["D0123", "U0456"]) {
      const { session, binding } = await client.resolveSession(named(slack(id)));
      expect(binding?.sessionKey).toBe(key("direct:person:ann"));
      expect(session?.ref).toEqual(before);
    }
  });

  test("three keys become one: a person's, and both spellings' own", async () => {
    const { client } = await start();
    const first = (await client.resolveSession(named(slack("D0123")))).session?.ref;
    await client.linkPeer({ peer: slack("U0456"), person: "ann" });
    await client.resolveSession(named(slack("U0456")));
    const request = { peer: slack("D0123"), sameAs: slack("U0456") };
    const { merged } = await client.registerEquivalence(request);
    expect(merged).toEqual(expect.objectContaining({ survivorSessionKey: first?.sessionKey }));
    for (const id of ["D0123", "U0456"]) {
      expect((await client.resolveSession(named(slack(id)))).session?.ref).toEqual(first);
    }
  });

  test("with two sessions a survivor is named", async () => {
    const { client } = await start();
    const first = await client.resolveSession(named(slack("U0456")));
    const second = await client.resolveSession({ name: { case: "peer", value: mail } });
    await client.linkPeer({ peer: slack("U0456"), person: "ann" });
    const request = { peer: mail, person: "ann" };
    expect((await failure(client.linkPeer(request))).reason).toBe("ALIAS_CONFLICT");
    const survivorSessionKey = second.session?.ref?.sessionKey ?? "";
    const wrong = { ...request, survivorSessionKey: key("elsewhere") };
    expect((await failure(client.linkPeer(wrong))).reason).toBe("INVALID_REQUEST");
    const { merged } = await client.linkPeer({ ...request, survivorSessionKey });
    expect(merged).toMatchObject({
      sessionKey: first.session?.ref?.sessionKey,
      survivorSessionKey,
    });
    for (const peer of [slack("U0456"), mail]) {
      const { session } = await client.resolveSession({ name: { case: "peer", value: peer } });
      expect(session?.ref).toEqual(second.session?.ref);
    }
  });
});

test("a part of a peer was named twice, and not as the request has it", async () => {
  const { client } = await start();
  const peer = { channel: "slack", kind: PeerKind.DIRECT, peerId: "U1" };
  const said = "ids of slack are unique within an account only";
  const sameAs = { peer: { ...peer, accountId: "T1" }, sameAs: peer };
  const calls = [
    ["peer", () => client.resolveSession({ name: { case: "peer", value: peer } })],
    ["same_as", () => client.registerEquivalence(sameAs)],
  ] as const;
  for (const [field, call] of calls) {
    const error = await failure(call());
    expect(error.message).toBe(`${field}.account_id: ${said}`);
    expect(error.fieldViolations).toEqual([{ field: `${field}.account_id`, description: said }]);
  }
});
