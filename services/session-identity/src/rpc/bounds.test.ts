import { type CallOptions, fromStatus } from "@lanekeeper/rpc";
import { RotationReason } from "@lanekeeper/protocol/lanekeeper/identity/v1/session";
import { expect, test } from "vitest";
import { failure, newTenant } from "../testing/calls.ts";
import { testDatabase } from "../testing/database.ts";
import { startReplica } from "../testing/identity.ts";

const database = testDatabase();
const [OWN, OTHER, AGENTS] = ["agent:main:crm:1", "agent:main:web:1", "agent:work:crm:1"] as const;

/** Bound to one agent, to beginnings of keys, and to both. */
const BOUND: readonly (readonly [string, CallOptions, readonly string[]])[] = [
  ["an agent", { agents: ["work"] }, [AGENTS]],
  ["beginnings of keys", { keyPrefixes: ["agent:main:crm:", "agent:work:"] }, [OWN, AGENTS]],
  ["both", { agents: ["main"], keyPrefixes: ["agent:main:crm:", "agent:work:"] }, [OWN]],
  ["nothing", {}, [OWN, OTHER, AGENTS]],
];

async function start() {
  const replica = await startReplica(database.open());
  const cli = replica.client("cli");
  const tenant = await newTenant(cli);
  const policies = [{ agentId: "main" }, { agentId: "work" }];
  await cli.applyKeyPolicies({ defaultAgentId: "main", policies }, { tenant });
  const client = replica.client("ingress", { tenant, principal: "p" });
  const ids = new Map<string, string>();
  for (const value of [OWN, OTHER, AGENTS]) {
    const { session } = await client.resolveSession({ name: { case: "rawKey", value } });
    ids.set(value, session?.ref?.sessionId ?? "");
    const reason = RotationReason.RESET;
    await client.rotateSession({ requestId: value, sessionKey: value, reason });
  }
  return { client, ids };
}

test.each(BOUND)(
  "a credential bound to %s: lists, journal and watches",
  async (_what, bounds, keys) => {
    const { client } = await start();
    const listed = await client.listSessions({}, bounds);
    expect(listed.sessions.map(({ ref }) => ref?.sessionKey)).toEqual(keys);
    const paged = await client.listSessions({ pageSize: 1 }, bounds);
    expect(paged.sessions.map(({ ref }) => ref?.sessionKey)).toEqual(keys.slice(0, 1));
    const { entries } = await client.listJournal({}, bounds);
    // What is about no key, such as the applying of policies, is told to who is bound to nothing.
    const ofNone = keys.length === 3 ? [""] : [];
    const told = new Set(entries.map(({ sessionKey }) => sessionKey));
    expect(told).toEqual(new Set([...keys, ...ofNone]));
    const seen: (string | undefined)[] = [];
    for await (const { event } of client.watchSessions({}, bounds)) {
      if (event.case === "snapshot") seen.push(event.value.ref?.sessionKey);
      else break;
    }
    expect(new Set(seen)).toEqual(new Set(keys));
  },
);

test.each(BOUND)("a credential bound to %s: what names a key", async (_what, bounds, keys) => {
  const { client, ids } = await start();
  const outcome = async (work: Promise<unknown>) =>
    work.then(
      () => "OK",
      (error: { reason?: string }) => error.reason,
    );
  for (const key of [OWN, OTHER, AGENTS]) {
    const isWithin = keys.includes(key);
    const denied = isWithin ? "OK" : "PERMISSION_DENIED";
    const hidden = isWithin ? "OK" : "NOT_FOUND";
    const name = { case: "rawKey", value: key } as const;
    const reason = RotationReason.RESET;
    const id = { case: "sessionId", value: ids.get(key) ?? "" } as const;
    const named = { case: "sessionKey", value: key } as const;
    const reset = { requestId: `${key}-2`, sessionKey: key, reason };
    expect([
      ...[key, await outcome(client.resolveSession({ name }, bounds))],
      await outcome(client.registerKey({ name }, bounds)),
      await outcome(client.rotateSession(reset, bounds)),
      await outcome(client.getSession({ session: named }, bounds)),
      await outcome(client.getSession({ session: id }, bounds)),
      await outcome(client.listRotations({ sessionKey: key }, bounds)),
      await outcome(client.listJournal({ sessionKey: key }, bounds)),
    ]).toEqual([key, denied, denied, denied, denied, hidden, denied, denied]);
  }
});

test("an alias or a merge that leads out of the bounds is refused, whichever end lies outside", async () => {
  const { client } = await start();
  const bounds = { keyPrefixes: ["agent:main:crm:"] };
  const fresh = "agent:main:crm:new";
  for (const [aliasSessionKey, sessionKey] of [
    [fresh, OTHER],
    ["agent:main:web:new", OWN],
  ] as const) {
    const refused = client.registerAlias({ aliasSessionKey, sessionKey }, bounds);
    expect((await failure(refused)).reason).toBe("PERMISSION_DENIED");
  }
  await client.registerAlias({ aliasSessionKey: fresh, sessionKey: OTHER });
  const name = { case: "rawKey", value: fresh } as const;
  expect((await failure(client.resolveSession({ name }, bounds))).reason).toBe("PERMISSION_DENIED");
  const removed = await failure(client.removeAlias({ aliasSessionKey: fresh }, bounds));
  expect([removed.reason, removed.message]).toEqual([
    ...["PERMISSION_DENIED", expect.not.stringContaining("web")],
  ]);
  const merge = { requestId: "m", sessionKey: OTHER, survivorSessionKey: OWN };
  expect((await failure(client.mergeSessions(merge, bounds))).reason).toBe("PERMISSION_DENIED");
});

test("an explanation tells what a name means, and of nothing that lies outside the bounds", async () => {
  const { client } = await start();
  const bounds = { keyPrefixes: ["agent:main:crm:"] };
  const explain = (value: string, options: CallOptions) =>
    client.explainKey({ name: { case: "rawKey", value } }, options);
  const outside = await explain(OTHER, bounds);
  expect(outside).toMatchObject({ rotations: [], journal: [], equivalences: [] });
  expect([outside.binding, outside.session]).toEqual([undefined, undefined]);
  expect(outside.refusal?.message).toContain("bound to");
  if (outside.refusal === undefined) throw new Error("it is not refused");
  expect(fromStatus(outside.refusal)).toMatchObject({
    reason: "PERMISSION_DENIED",
    metadata: { bound_by: "session_key_prefixes" },
  });
  const never = await explain("agent:main:web:never", bounds);
  expect(never.refusal).toEqual(outside.refusal);
  const alias = "agent:main:crm:nick";
  await client.registerAlias({ aliasSessionKey: alias, sessionKey: OTHER });
  const led = await explain(alias, bounds);
  expect(led.refusal).toEqual(outside.refusal);
  expect([led.binding, led.session]).toEqual([undefined, undefined]);
  expect((await explain(OWN, bounds)).session?.ref?.sessionKey).toBe(OWN);
  expect((await explain(OTHER, {})).session?.ref?.sessionKey).toBe(OTHER);
});

test("no history is taken from a session that lies outside the bounds, nor from an internal one", async () => {
  const { client, ids } = await start();
  const bounds = { scopes: ["operator"], keyPrefixes: ["agent:main:crm:"] };
  const never = "01900000-0000-7000-8000-00000000dead";
  const inner = { name: { case: "rawKey", value: "inner" }, internal: true } as const;
  const { session } = await client.resolveSession(inner);
  const from = (sourceSessionId = "", reason: RotationReason = RotationReason.FORK) => {
    const isReplay = reason === RotationReason.REPLAY;
    const sourceThroughTurnId = isReplay ? "turn-1" : "";
    const requestId = `${sourceSessionId}-${reason}`;
    return { requestId, sessionKey: OWN, reason, sourceSessionId, sourceThroughTurnId };
  };
  const unknown = await failure(client.rotateSession(from(never), bounds));
  expect(unknown.reason).toBe("NOT_FOUND");
  for (const reason of [RotationReason.FORK, RotationReason.REPLAY]) {
    for (const id of [ids.get(OTHER), session?.ref?.sessionId]) {
      const refused = await failure(client.rotateSession(from(id, reason), bounds));
      expect(refused).toMatchObject({ reason: "NOT_FOUND", message: unknown.message });
    }
  }
  const own = from(ids.get(OWN));
  const { rotation } = await client.rotateSession(own, bounds);
  expect(rotation?.parentSessionId).toBe(ids.get(OWN));
  expect((await client.rotateSession(own, bounds)).rotation).toEqual(rotation);
  await client.rotateSession(from(ids.get(OTHER)), { scopes: ["operator"] });
});
