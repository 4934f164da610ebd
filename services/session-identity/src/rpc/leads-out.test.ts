import { Decision } from "@lanekeeper/protocol/lanekeeper/identity/v1/journal";
import { RotationReason } from "@lanekeeper/protocol/lanekeeper/identity/v1/session";
import type { CallOptions } from "@lanekeeper/rpc";
import { beforeEach, expect, test } from "vitest";
import { failure, newTenant } from "../testing/calls.ts";
import { testDatabase } from "../testing/database.ts";
import { startReplica } from "../testing/identity.ts";

const database = testDatabase();
const [OWN, OTHER, LEFT, NICK] = [
  "agent:main:crm:1",
  "agent:main:web:secret",
  "agent:main:crm:2",
  "agent:main:crm:nick",
] as const;

/** It may reach neither the survivor nor where the alias leads. */
const BOUND: CallOptions = { scopes: ["operator"], keyPrefixes: ["agent:main:crm:"] };

let client: Awaited<ReturnType<typeof start>>;
beforeEach(async () => {
  client = await start();
});

/** `crm:1` was merged into `web:secret`, and `crm:nick` is an alias of that. */
async function start() {
  const replica = await startReplica(database.open());
  const cli = replica.client("cli");
  const tenant = await newTenant(cli);
  await cli.applyKeyPolicies(
    { defaultAgentId: "main", policies: [{ agentId: "main" }] },
    { tenant },
  );
  const made = replica.client("ingress", { tenant, principal: "p" });
  for (const value of [OWN, OTHER, LEFT]) {
    await made.resolveSession({ name: { case: "rawKey", value } });
  }
  await made.mergeSessions({ requestId: "m", sessionKey: OWN, survivorSessionKey: OTHER });
  await made.registerAlias({ aliasSessionKey: NICK, sessionKey: OTHER });
  return made;
}

test("a session that was merged out of the bounds is told to nobody who is bound", async () => {
  const listed = await client.listSessions({}, BOUND);
  expect(listed.sessions.map(({ ref }) => ref?.sessionKey)).toEqual([LEFT]);
  const named = { case: "sessionKey", value: OWN } as const;
  const refused = await failure(client.getSession({ session: named }, BOUND));
  expect([refused.reason, refused.metadata["bound_by"]]).toEqual([
    ...["PERMISSION_DENIED", "session_key_prefixes"],
  ]);
  const { session } = await client.getSession({ session: named });
  expect(session?.movedToSessionKey).toBe(OTHER);
  const id = { case: "sessionId", value: session?.ref?.sessionId ?? "" } as const;
  expect((await failure(client.getSession({ session: id }, BOUND))).reason).toBe("NOT_FOUND");
});

test("who watches is told that it is gone, and not where it went", async () => {
  const told: unknown[] = [];
  for await (const { event } of client.watchSessions({ stopWhenTold: true }, BOUND)) {
    if (event.case === "snapshot") told.push(event.value.ref?.sessionKey);
    if (event.case === "merged")
      told.push([event.value.sessionKey, event.value.survivorSessionKey]);
  }
  expect(told).toEqual([[OWN, ""], LEFT]);
});

test("no refusal names where a name leads", async () => {
  const reason = RotationReason.RESET;
  const acts = [OWN, NICK].flatMap((sessionKey) => {
    const requestId = `on-${sessionKey}`;
    const survivorSessionKey = LEFT;
    const aliasSessionKey = "agent:main:crm:new";
    return [
      () => client.rotateSession({ requestId, sessionKey, reason }, BOUND),
      () => client.mergeSessions({ requestId, sessionKey, survivorSessionKey }, BOUND),
      () => client.registerAlias({ aliasSessionKey, sessionKey }, BOUND),
    ];
  });
  for (const act of acts) {
    const { message, metadata } = await failure(act());
    expect(JSON.stringify([message, metadata])).not.toContain("secret");
  }
});

test("the journal of a merged key does not name its survivor", async () => {
  const { entries } = await client.listJournal({ sessionKey: OWN }, BOUND);
  const merge = entries.find(({ operation }) => operation === "merge");
  expect(merge?.decision).toBe(Decision.ACCEPTED);
  expect(JSON.stringify(entries.map(({ current }) => current?.session?.sessionKey))).not.toContain(
    "secret",
  );
  const whole = await client.listJournal({ sessionKey: OWN });
  const { current } = whole.entries.find(({ operation }) => operation === "merge") ?? {};
  expect(current?.session?.sessionKey).toBe(OTHER);
});
