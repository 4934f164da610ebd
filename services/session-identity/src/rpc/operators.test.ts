import { RotationReason, RunOutcome } from "@lanekeeper/protocol/lanekeeper/identity/v1/session";
import { describe, expect, test } from "vitest";
import { begin, failure, fenceOf, newTenant } from "../testing/calls.ts";
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

describe("aliases", () => {
  test("a merge that names an alias is told where it leads", async () => {
    const { client, open } = await start();
    for (const name of ["home", "other"]) await open(name);
    await client.registerAlias({ aliasSessionKey: key("nick"), sessionKey: key("home") });
    for (const [sessionKey, survivorSessionKey] of [
      [key("nick"), key("other")],
      [key("other"), key("nick")],
    ] as const) {
      const request = { requestId: `of-${sessionKey}`, sessionKey, survivorSessionKey };
      const { reason, metadata } = await failure(client.mergeSessions(request));
      expect([reason, metadata["alias_of"]]).toEqual(["NOT_FOUND", key("home")]);
    }
  });

  test("an alias leads to the other key's session, and no longer once it is removed", async () => {
    const { client, open } = await start();
    const ref = await open("home");
    const alias = { aliasSessionKey: key("nick"), sessionKey: key("home"), note: "same chat" };
    expect((await client.registerAlias(alias)).binding?.aliasOf).toBe(key("home"));
    await client.registerAlias(alias);
    const resolved = await client.resolveSession({ name: { case: "rawKey", value: "nick" } });
    expect(resolved.session?.ref).toEqual(ref);
    expect(resolved.binding).toMatchObject({ sessionKey: key("nick"), aliasOf: key("home") });
    const removed = await client.removeAlias({ aliasSessionKey: key("nick") });
    expect(removed.previousSessionKey).toBe(key("home"));
    expect((await client.removeAlias({ aliasSessionKey: key("nick") })).previousSessionKey).toBe(
      "",
    );
    expect((await open("nick"))?.sessionKey).toBe(key("nick"));
  });

  test("one hop, no cycles, and never over a session", async () => {
    const { client, open } = await start();
    await open("home");
    await open("busy");
    await client.registerAlias({ aliasSessionKey: key("nick"), sessionKey: key("home") });
    const conflicts: [string, string][] = [
      [key("nick"), key("busy")],
      [key("busy"), key("home")],
      [key("new"), key("nick")],
      [key("home"), key("nick")],
      [key("home"), key("home")],
    ];
    for (const [aliasSessionKey, sessionKey] of conflicts) {
      const error = await failure(client.registerAlias({ aliasSessionKey, sessionKey }));
      expect(error.reason).toBe("ALIAS_CONFLICT");
    }
    await client.registerAlias({ aliasSessionKey: key("a"), sessionKey: key("b") });
    const back = client.registerAlias({ aliasSessionKey: key("b"), sessionKey: key("c") });
    expect((await failure(back)).reason).toBe("ALIAS_CONFLICT");
  });

  test("of another agent's key is none, since its sessions are that one's memory", async () => {
    const { client, replica, tenant, open } = await start();
    const cli = replica.client("cli");
    const policies = [{ agentId: "main" }, { agentId: "other" }];
    await cli.applyKeyPolicies({ defaultAgentId: "main", policies }, { tenant });
    const theirs = "agent:other:home";
    await open("home");
    for (const [aliasSessionKey, sessionKey] of [
      [key("nick"), theirs],
      [theirs, key("home")],
    ] as const) {
      expect(await failure(client.registerAlias({ aliasSessionKey, sessionKey }))).toMatchObject({
        reason: "AGENT_MISMATCH",
      });
    }
    const name = { case: "rawKey", value: theirs } as const;
    const unknown = await failure(client.resolveSession({ name, lookUpOnly: true }));
    expect(unknown.reason).toBe("NOT_FOUND");
  });

  test("first contact through an alias opens the target's session", async () => {
    const { client, open } = await start();
    await client.registerAlias({ aliasSessionKey: key("nick"), sessionKey: key("home") });
    expect((await open("nick"))?.sessionKey).toBe(key("home"));
  });
});

describe("merging", () => {
  test("names of the loser lead to the survivor; its runs are told where it went", async () => {
    const { client, runner, open } = await start();
    await open("loser");
    const survivor = await open("survivor");
    await client.registerAlias({ aliasSessionKey: key("nick"), sessionKey: key("loser") });
    const request = {
      requestId: "m1",
      sessionKey: key("loser"),
      survivorSessionKey: key("survivor"),
    };
    const merged = await client.mergeSessions(request);
    expect(merged.survivor?.ref).toEqual(survivor);
    expect(await client.mergeSessions(request)).toEqual(merged);
    expect(await open("loser")).toEqual(survivor);
    expect(await open("nick")).toEqual(survivor);
    expect(await failure(runner.beginRun(begin(key("loser"))))).toMatchObject({
      reason: "KEY_MOVED",
      metadata: { survivor_session_key: key("survivor") },
    });
    const other = { ...request, note: "other" };
    expect((await failure(client.mergeSessions(other))).reason).toBe("IDEMPOTENCY_MISMATCH");
    const again = { ...request, requestId: "m2" };
    expect((await failure(client.mergeSessions(again))).reason).toBe("KEY_MOVED");
  });

  test("a chain of merges leaves every name one hop from its session", async () => {
    const { client, open } = await start();
    for (const name of ["a", "b"]) await open(name);
    const survivor = await open("c");
    const merge = (requestId: string, from: string, to: string) =>
      client.mergeSessions({ requestId, sessionKey: key(from), survivorSessionKey: key(to) });
    await merge("1", "a", "b");
    await merge("2", "b", "c");
    expect(await open("a")).toEqual(survivor);
    const { session } = await client.getSession({
      session: { case: "sessionKey", value: key("a") },
    });
    expect(session?.movedToSessionKey).toBe(key("c"));
  });

  test("SESSION_BUSY while the loser runs, unless told to interrupt", async () => {
    const { client, runner, open } = await start();
    await open("loser");
    await open("survivor");
    const run = fenceOf(await runner.beginRun(begin(key("loser"))));
    const request = {
      requestId: "m1",
      sessionKey: key("loser"),
      survivorSessionKey: key("survivor"),
    };
    expect((await failure(client.mergeSessions(request))).reason).toBe("SESSION_BUSY");
    await client.mergeSessions({ ...request, interruptActiveRun: true });
    const writer = { case: "run", value: run } as const;
    const ended = { case: "ended", value: { outcome: RunOutcome.COMPLETED } } as const;
    expect((await failure(runner.writeLifecycle({ writer, event: ended }))).reason).toBe(
      "KEY_MOVED",
    );
  });

  test("across agents or tenants is refused, and changes nothing", async () => {
    const { replica, tenant, client, open } = await start();
    const policies = [{ agentId: "main" }, { agentId: "clerk" }];
    await replica.client("cli").applyKeyPolicies({ defaultAgentId: "main", policies }, { tenant });
    const [own, clerks] = [await open("chat"), await open("agent:clerk:chat")];
    const request = { requestId: "m1", sessionKey: key("chat") };
    const across = { ...request, survivorSessionKey: "agent:clerk:chat" };
    expect(await failure(client.mergeSessions(across))).toMatchObject({
      reason: "AGENT_MISMATCH",
      metadata: { agent_id: "main", survivor_agent_id: "clerk" },
    });
    const other = replica.client("ingress", { tenant: await newTenant(replica.client("cli")) });
    await other.resolveSession({ name: { case: "rawKey", value: "theirs" } });
    const theirs = { ...request, survivorSessionKey: key("theirs") };
    for (const stranger of [client, other]) {
      expect((await failure(stranger.mergeSessions(theirs))).reason).toBe("NOT_FOUND");
    }
    expect([await open("chat"), await open("agent:clerk:chat")]).toEqual([own, clerks]);
  });

  test("watchers are told of the merge", async () => {
    const { client, open } = await start();
    await open("loser");
    await open("survivor");
    const controller = new AbortController();
    const watch = client.watchSessions({ skipSnapshot: true }, { signal: controller.signal });
    const messages = watch[Symbol.asyncIterator]();
    await messages.next();
    const pair = { sessionKey: key("loser"), survivorSessionKey: key("survivor") };
    await client.mergeSessions({ requestId: "m1", ...pair });
    const { value } = await messages.next();
    expect(value).toMatchObject({ event: { case: "merged", value: pair } });
    controller.abort();
  });
});

test("the story of a name, also of one that is refused", async () => {
  const { client, open } = await start();
  await open("chat");
  const reset = { sessionKey: key("chat"), reason: RotationReason.RESET, note: "again" };
  await client.rotateSession({ requestId: "r1", ...reset });
  const told = await client.explainKey({ name: { case: "rawKey", value: "chat" } });
  expect(told).toMatchObject({
    binding: { sessionKey: key("chat") },
    session: { ref: { generation: 2n } },
    rotations: [{ note: "again" }],
    journal: [
      { operation: "rotate", principal: "operator" },
      { operation: "reserve", rawKey: "chat" },
    ],
  });
  // An operator's credential is judged by who may use the key, too; the programs of the house are not.
  const outside = { scopes: ["operator"] };
  const judged = await client.explainKey({ name: { case: "rawKey", value: "chat" } }, outside);
  expect(judged.steps.map(({ rule }) => rule)).toEqual([
    ...told.steps.map(({ rule }) => rule),
    ...["reserved-namespace", "typed-rendering"],
  ]);
  const hook = await client.explainKey({ name: { case: "rawKey", value: "hook:7" } }, outside);
  expect(hook.refusal?.message).toContain("belongs to the system");
  expect(hook.steps.at(-1)).toMatchObject({ rule: "reserved-namespace", after: "" });
  expect(told.refusal).toBeUndefined();
  const refused = await client.explainKey({ name: { case: "rawKey", value: "agent:main:" } });
  expect(refused.refusal?.message).toContain("agent");
  const unseen = await client.explainKey({ name: { case: "rawKey", value: "unseen" } });
  expect([unseen.binding, unseen.session, unseen.journal.length]).toEqual([
    undefined,
    undefined,
    0,
  ]);
});
