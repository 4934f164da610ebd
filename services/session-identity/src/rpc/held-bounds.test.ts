import { create } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { ApplyKeyPoliciesRequestSchema } from "@lanekeeper/protocol/lanekeeper/identity/v1/identity_service";
import { PeerKind } from "@lanekeeper/protocol/lanekeeper/identity/v1/key";
import { BatcherOverloadedError } from "@lanekeeper/postgres";
import { expect, test } from "vitest";
import { storeError } from "../engine/engine.ts";
import { LIMITS } from "../limits.ts";
import { failure, newTenant } from "../testing/calls.ts";
import { testDatabase } from "../testing/database.ts";
import { startReplica } from "../testing/identity.ts";
import { Feed, type FeedParts } from "../watch/feed.ts";
import type { WatchQuestion } from "../watch/question.ts";
import { watch, type WatchParts } from "../watch/watch.ts";
import { policies } from "./parse/policies.ts";

const database = testDatabase();

async function start() {
  const db = database.open();
  const replica = await startReplica(db);
  const tenant = await newTenant(replica.client("cli"));
  return { db, tenant, client: replica.client("ingress", { tenant, principal: "operator" }) };
}

test("where as many calls wait for a commit as may, one more is refused with the bound", () => {
  expect(storeError(new BatcherOverloadedError(LIMITS.maxWaiting))).toMatchObject({
    reason: "RATE_LIMITED",
    metadata: { limit: String(LIMITS.maxWaiting) },
  });
});

test("a replica serves as many watchers as it may, those that read their snapshots too, and says so to one more", async () => {
  const tooLate = new Error("the database is away");
  let goAway = (_why: Error): void => undefined;
  const reading = new Promise<never>((_, reject) => (goAway = reject));
  const query = { query: () => reading } as unknown as WatchParts["query"];
  const feed = new Feed({ query } as FeedParts);
  const parts = { feed, query } as WatchParts;
  const question = { untilToken: "", stopWhenTold: false } as WatchQuestion;
  const next = () => watch(parts, question, new AbortController().signal).next();
  const crowd = Array.from({ length: LIMITS.maxSubscribers }, () => next());
  const refused = next();
  goAway(tooLate);
  await expect(refused).rejects.toMatchObject({
    reason: "RATE_LIMITED",
    metadata: { limit: String(LIMITS.maxSubscribers) },
  });
  for (const one of crowd) await expect(one).rejects.toBe(tooLate);
  // Who has left makes room.
  await expect(next()).rejects.toBe(tooLate);
});

test.each([
  ["policies", LIMITS.maxPolicies + 1, 3_600_000, "1000"],
  ["policies[0].idle_after", 1, LIMITS.minIdleMs - 1, "1 s"],
  ["policies[0].idle_after", 1, LIMITS.maxIdleMs + 1, "366 days"],
])("%s out of its bounds is refused, and the error names both", (field, count, idleMs, bound) => {
  const idleAfter = durationFromMs(idleMs);
  const all = Array.from({ length: count }, (_, n) => ({ agentId: `a${n}`, idleAfter }));
  const request = create(ApplyKeyPoliciesRequestSchema, { policies: all });
  expect(() => policies(request)).toThrow(
    expect.objectContaining({
      reason: "INVALID_REQUEST",
      message: expect.stringMatching(`^${field.replace(/[[\].]/g, "\\$&")}: .*${bound}`),
    }),
  );
});

test("as many keys lead to one as may; one more is QUOTA with the bound, and leads nowhere", async () => {
  const { db, tenant, client } = await start();
  await client.resolveSession({ name: { case: "rawKey", value: "home" } });
  const alias = (name: string) => ({
    aliasSessionKey: `agent:main:${name}`,
    sessionKey: "agent:main:home",
  });
  await client.registerAlias(alias("nick"));
  // With the key itself and the first alias one below the bound.
  await db.query(
    `insert into session_keys
     select (jsonb_populate_record(k, jsonb_build_object('session_key', k.session_key || n))).*
     from session_keys k, generate_series(1, $2::int) n
     where k.tenant = $1 and k.session_key = 'agent:main:nick'`,
    [tenant, LIMITS.maxAliasesPerKey - 3],
  );
  await client.registerAlias(alias("last"));
  const refused = await failure(client.registerAlias(alias("more")));
  expect(refused).toMatchObject({
    reason: "QUOTA",
    metadata: { limit: String(LIMITS.maxAliasesPerKey) },
  });
  const { binding } = await client.resolveSession({ name: { case: "rawKey", value: "more" } });
  expect(binding?.aliasOf).toBe("");
});

test("a peer has as many spellings as it may; one more is QUOTA with the bound, and another peer", async () => {
  const { client } = await start();
  const peer = (n: number) => ({
    channel: "slack",
    accountId: "T1",
    kind: PeerKind.DIRECT,
    peerId: `U${n}`,
  });
  const same = (n: number) => client.registerEquivalence({ peer: peer(n), sameAs: peer(0) });
  const resolved = (n: number) =>
    client.resolveSession({ name: { case: "peer", value: peer(n) }, agentId: "main" });
  for (let n = 1; n < LIMITS.maxSpellingsPerPeer; n++) await same(n);
  const refused = await failure(same(LIMITS.maxSpellingsPerPeer));
  expect(refused).toMatchObject({
    reason: "QUOTA",
    metadata: { limit: String(LIMITS.maxSpellingsPerPeer) },
  });
  const keyOf = async (n: number) => (await resolved(n)).session?.ref?.sessionKey;
  expect(await keyOf(99)).toBe(await keyOf(0));
  expect(await keyOf(100)).not.toBe(await keyOf(0));
});
