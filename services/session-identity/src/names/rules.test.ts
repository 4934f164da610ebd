import { PeerKind } from "@lanekeeper/protocol/lanekeeper/identity/v1/key";
import { normalizeRawKey, RULE_SET_VERSION } from "@lanekeeper/session-key";
import { expect, test } from "vitest";
import { failure, newTenant } from "../testing/calls.ts";
import { testDatabase } from "../testing/database.ts";
import { type IdentityClient, startReplica } from "../testing/identity.ts";
import { RULES, type RuleSet } from "./rules.ts";

const database = testDatabase();

/** A next release that would fold the case of names and no longer takes spaces: every rule may change. */
const NEXT: RuleSet = {
  version: RULE_SET_VERSION + 1,
  readRaw: (input) => {
    const read = normalizeRawKey({ ...input, raw: input.raw.toLowerCase() });
    const refusal = { reason: "MALFORMED_KEY", message: "no spaces", offset: 0 } as const;
    return input.raw.includes(" ") ? { ok: false, refusal, steps: read.steps } : read;
  },
};

/** UNAVAILABLE is asked again until the deadline, if nobody says otherwise. */
const ONCE = { retry: false } as const;

const PEER = { channel: "telegram", kind: PeerKind.DIRECT, peerId: "42" };

const raw = (value: string) => ({ name: { case: "rawKey", value } as const });

async function start() {
  const older = await startReplica(database.open(), RULES);
  const newer = await startReplica(database.open(), NEXT);
  const tenant = await newTenant(older.client("cli"));
  const apply = (cli: IdentityClient) =>
    cli.applyKeyPolicies({ defaultAgentId: "main", policies: [{ agentId: "main" }] }, { tenant });
  return {
    older: older.client("ingress", { tenant }),
    newer: newer.client("ingress", { tenant }),
    applyNewer: () => apply(newer.client("cli")),
    applyOlder: () => apply(older.client("cli")),
  };
}

async function resolve(client: IdentityClient, name: string) {
  const { session, binding } = await client.resolveSession(raw(name));
  return { ref: session?.ref, ruleSetVersion: binding?.ruleSetVersion };
}

test("a name keeps the binding that it was first given, whichever replica's rules are asked", async () => {
  const { older, newer } = await start();
  const byOlder = await resolve(older, "Ticket 77");
  expect(byOlder).toMatchObject({
    ref: { sessionKey: "agent:main:Ticket 77" },
    ruleSetVersion: RULES.version,
  });
  const byNewer = await resolve(newer, "Order-1");
  expect(byNewer).toMatchObject({
    ref: { sessionKey: "agent:main:order-1" },
    ruleSetVersion: NEXT.version,
  });
  for (const client of [older, newer]) {
    expect(await resolve(client, "Ticket 77")).toEqual(byOlder);
    expect(await resolve(client, "Order-1")).toEqual(byNewer);
  }
  const { steps } = await older.explainKey(raw("Order-1"));
  expect(steps.at(-1)).toMatchObject({
    ...{ rule: "ledger", before: "agent:main:Order-1", after: "agent:main:order-1" },
  });
});

test("a canonical key that exists is its own binding, also where newer rules would write it otherwise", async () => {
  const { older, newer } = await start();
  const { ref } = await resolve(older, "Ticket-78");
  expect((await resolve(newer, "agent:main:Ticket-78")).ref).toEqual(ref);
});

test("once newer rules are in force the older replica binds nothing, and serves all that is bound", async () => {
  const { older, newer, applyNewer, applyOlder } = await start();
  const before = await resolve(older, "Before");
  expect(await applyNewer()).toMatchObject({ version: 2n });
  const alias = { aliasSessionKey: "agent:main:After", sessionKey: "agent:main:Before" };
  const refused = [
    () => older.resolveSession(raw("After"), ONCE),
    () => older.registerKey(raw("After"), ONCE),
    () => older.registerAlias(alias, ONCE),
    () => older.linkPeer({ peer: PEER, person: "ann" }, ONCE),
    () => older.registerEquivalence({ peer: PEER, sameAs: { ...PEER, peerId: "43" } }, ONCE),
  ];
  const versions = {
    rule_set_version: String(NEXT.version),
    known_rule_set_version: String(RULES.version),
  };
  for (const call of refused) {
    const error = await failure(call());
    expect(error).toMatchObject({ reason: "STORE_UNAVAILABLE", metadata: versions });
  }
  const after = await resolve(newer, "After");
  expect(after).toMatchObject({ ref: { sessionKey: "agent:main:after" } });
  expect(await resolve(older, "After")).toEqual(after);
  expect(await resolve(older, "Before")).toEqual(before);
  // Policies that an older replica applies bring no older rules back.
  await applyOlder();
  expect((await failure(older.resolveSession(raw("Later"), ONCE))).reason).toBe(
    "STORE_UNAVAILABLE",
  );
});

test("replicas of two releases that meet at an unseen name give it one binding", async () => {
  const { older, newer } = await start();
  const names = Array.from({ length: 16 }, (_, n) => `Both-${n}`);
  const answers = await Promise.all(
    names.map((name) => Promise.all([resolve(older, name), resolve(newer, name)])),
  );
  for (const [one, other] of answers) expect(one).toEqual(other);
});
