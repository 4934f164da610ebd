import { RotationReason } from "@lanekeeper/protocol/lanekeeper/identity/v1/session";
import { expect, test } from "vitest";
import { failure } from "../testing/calls.ts";
import { testDatabase } from "../testing/database.ts";
import { startReplica } from "../testing/identity.ts";
import { changeUncommitted } from "../testing/uncommitted.ts";
import { seen, watchedTenant, watching } from "../testing/watching.ts";

const database = testDatabase();

const NOTHING_ASKED = {
  resumeToken: "",
  skipSnapshot: false,
  stopWhenTold: false,
  untilToken: "",
  bookmarkMs: 15_000,
  rotationsOnly: false,
};

test("a snapshot, then each change of a key in order", async () => {
  const { client, resolve, reset } = await watchedTenant(database.open());
  await resolve("a");
  await resolve("b");
  const watch = watching(client, {});
  expect(seen(await watch.next())).toBe("snapshot agent:main:a g1 r1");
  expect(seen(await watch.next())).toBe("snapshot agent:main:b g1 r1");
  expect(seen(await watch.next())).toBe("snapshotEnd");
  await reset("a", "1");
  await reset("a", "2");
  await resolve("c");
  expect(seen(await watch.next())).toBe("changed agent:main:a g2 r2");
  expect(seen(await watch.next())).toBe("changed agent:main:a g3 r3");
  expect(seen(await watch.next())).toBe("changed agent:main:c g1 r1");
});

test("who wants rotations alone is told of no run, and whoever comes beside it of everything", async () => {
  const { client, resolve, reset, run } = await watchedTenant(database.open());
  await resolve("a");
  const rotations = watching(client, { skipSnapshot: true, rotationsOnly: true });
  await rotations.next();
  await run("a");
  await reset("a", "1");
  expect(seen(await rotations.next())).toBe("changed agent:main:a g2 r4");
  const everything = watching(client, { skipSnapshot: true });
  const { resumeToken } = await everything.next();
  await run("a");
  await reset("a", "2");
  const told = [
    "changed agent:main:a g2 r5",
    "changed agent:main:a g2 r6",
    "changed agent:main:a g3 r7",
  ];
  for (const each of told) expect(seen(await everything.next())).toBe(each);
  expect(seen(await rotations.next())).toBe(told.at(-1));
  const resumed = watching(client, { resumeToken, rotationsOnly: true });
  expect(seen(await resumed.next())).toBe(told.at(-1));
});

test("any message's token goes on behind it, on another replica", async () => {
  const { tenant, client, resolve, reset } = await watchedTenant(database.open());
  const other = (await startReplica(database.open())).client("delivery", { tenant });
  const watch = watching(client, { skipSnapshot: true });
  const tokens = [(await watch.next()).resumeToken];
  await resolve("a");
  await Promise.all(["b", "c", "d"].map(resolve));
  await reset("a", "1");
  const all: string[] = [];
  for (let n = 0; n < 5; n += 1) {
    const message = await watch.next();
    all.push(seen(message));
    tokens.push(message.resumeToken);
  }
  for (const [index, resumeToken] of tokens.entries()) {
    const resumed = watching(other, { resumeToken });
    const rest: string[] = [];
    for (let n = index; n < all.length; n += 1) rest.push(seen(await resumed.next()));
    // Of different keys, what was written at the same moment comes in any order.
    expect(rest.toSorted()).toEqual(all.slice(index).sort());
    const ofA = (told: string[]) => told.filter((text) => text.startsWith("changed agent:main:a "));
    expect(ofA(rest)).toEqual(ofA(all.slice(index)));
    resumed.end();
  }
});

test("a change whose transaction commits late is not lost, and holds up nobody", async () => {
  const db = database.open();
  const { tenant, client, resolve } = await watchedTenant(db);
  await resolve("late");
  const other = (await startReplica(database.open())).client("runner", { tenant });
  const watch = watching(client, { skipSnapshot: true });
  await watch.next();
  const late = await changeUncommitted(db, tenant, "agent:main:late");
  await resolve("quick");
  const quick = await watch.next();
  expect(seen(quick)).toBe("changed agent:main:quick g1 r1");
  await late.commit();
  expect(seen(await watch.next())).toBe("changed agent:main:late g1 r2");
  const resumed = watching(other, { resumeToken: quick.resumeToken });
  expect(seen(await resumed.next())).toBe("changed agent:main:late g1 r2");
});

test("a change of another replica is seen without a word from it", async () => {
  const { tenant, client } = await watchedTenant(database.open());
  const other = (await startReplica(database.open())).client("runner", { tenant });
  const watch = watching(client, { skipSnapshot: true });
  await watch.next();
  await other.resolveSession({ name: { case: "rawKey", value: "far" } });
  expect(seen(await watch.next())).toBe("changed agent:main:far g1 r1");
});

test("only the agent and the prefix that were asked for", async () => {
  const { replica, tenant, client } = await watchedTenant(database.open());
  const policies = [{ agentId: "main" }, { agentId: "other" }];
  await replica.client("cli", { tenant }).applyKeyPolicies({ defaultAgentId: "main", policies });
  const byAgent = watching(client, { skipSnapshot: true, agentId: "other" });
  const byPrefix = watching(client, { skipSnapshot: true, sessionKeyPrefix: "agent:main:x" });
  await Promise.all([byAgent.next(), byPrefix.next()]);
  for (const value of ["agent:main:a", "agent:main:xyz", "agent:other:xyz"]) {
    await client.resolveSession({ name: { case: "rawKey", value } });
  }
  expect(seen(await byAgent.next())).toBe("changed agent:other:xyz g1 r1");
  expect(seen(await byPrefix.next())).toBe("changed agent:main:xyz g1 r1");
});

test("a service without a tenant watches all, and is told whose each session is", async () => {
  const { replica, tenant, resolve } = await watchedTenant(database.open());
  const watch = watching(replica.client("delivery", { tenant: "" }), { skipSnapshot: true });
  await watch.next();
  await resolve("a");
  expect(await watch.next()).toMatchObject({ tenant, event: { case: "changed" } });
});

test("internal sessions are never shown", async () => {
  const { replica, tenant, client, resolve } = await watchedTenant(database.open());
  const runner = replica.client("runner", { tenant });
  const inner = { name: { case: "rawKey", value: "internal:memory" }, internal: true } as const;
  const watch = watching(client, { skipSnapshot: true });
  await watch.next();
  await runner.resolveSession(inner);
  await resolve("open");
  expect(seen(await watch.next())).toBe("changed agent:main:open g1 r1");
  const snapshot = watching(client, {});
  expect(seen(await snapshot.next())).toBe("snapshot agent:main:open g1 r1");
  const { sessions } = await client.listSessions({});
  expect(sessions.map(({ ref }) => ref?.sessionKey)).toEqual(["agent:main:open"]);
});

test("a snapshot tells a key that changed after its page was read once more, before it ends", async () => {
  const { tenant, client } = await watchedTenant(database.open());
  const db = database.open();
  await db.query(
    `insert into session_keys (tenant, session_key, agent_id, rule_set_version, source, bind_time,
       session_id, generation, create_time, rotate_time, revision)
     select $1, 'agent:main:k' || lpad(n::text, 4, '0'), 'main', 1, 'test', now(), gen_random_uuid(), 1,
       now(), now(), 1
     from generate_series(1, 600) n`,
    [tenant],
  );
  const { watch } = await import("./watch.ts");
  const replica = await startReplica(db);
  const { feed, clock } = replica.context;
  const question = { tenant, prefix: "", agents: [], keyPrefixes: [], ...NOTHING_ASKED };
  const events: string[] = [];
  for await (const event of watch(
    { query: db, feed, clock },
    question,
    new AbortController().signal,
  )) {
    if (event.kind === "snapshot")
      events.push(`${event.state.sessionKey} r${event.state.revision}`);
    if (event.kind === "snapshot_end") break;
    if (events.length === 1) {
      const reset = {
        sessionKey: "agent:main:k0001",
        reason: RotationReason.RESET,
        requestId: "x",
      };
      await client.rotateSession(reset);
    }
  }
  expect(events[0]).toBe("agent:main:k0001 r1");
  expect(events).toHaveLength(601);
  expect(events.at(-1)).toBe("agent:main:k0001 r2");
});

test("a token that cannot be carried on is refused with what to do", async () => {
  const { client } = await watchedTenant(database.open());
  const bad = watching(client, { resumeToken: "nonsense" });
  expect(await failure(bad.next())).toMatchObject({ reason: "INVALID_REQUEST" });
});
