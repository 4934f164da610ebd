import { eventually } from "@lanekeeper/testing";
import { expect, test } from "vitest";
import { gate } from "../testing/gate.ts";
import { heldAnswer } from "../testing/model-double.ts";
import { Attached, turnFor } from "../testing/requests.ts";
import type { Replica, World } from "../testing/world.ts";
import { testWorlds } from "../testing/test-worlds.ts";

const worlds = testWorlds();

const [OWN, OTHER, AGENTS] = ["agent:main:crm:1", "agent:main:web:1", "agent:work:crm:1"] as const;
const KEYS = [OWN, OTHER, AGENTS] as const;

/** As another key of the tenant than the one that asked for the turns. */
const BOUND = [
  ["an agent", { principal: "p2", agents: ["work"], keyPrefixes: [] }, [AGENTS]],
  [
    "beginnings of keys",
    { principal: "p2", agents: [], keyPrefixes: ["agent:main:crm:", "agent:work:"] },
    [OWN, AGENTS],
  ],
  [
    "both",
    { principal: "p2", agents: ["main"], keyPrefixes: ["agent:main:crm:", "agent:work:"] },
    [OWN],
  ],
  ["nothing", { principal: "p2", agents: [], keyPrefixes: [] }, KEYS],
] as const;

/** Three lanes whose turns run until the gate is opened. */
async function threeLanes(world: World) {
  const replica = await world.replica();
  const model = { provider: { case: "scripted" as const, value: {} } };
  await replica.client.applyAgents({
    agents: ["main", "work"].map((agentId) => ({ agentId, model })),
  });
  const held = gate();
  world.model.behaviour = heldAnswer(held.opened);
  const turns = KEYS.map((key) => new Attached(replica, { submit: turnFor(world, key, { key }) }));
  await eventually(() => turns.every(({ kinds }) => kinds.includes("textDelta")));
  const { turns: listed } = await replica.client.listTurns({});
  const idOf = new Map(listed.map(({ session, turnId }) => [session?.sessionKey, turnId]));
  const end = async () => {
    held.open();
    await Promise.all(turns.map(({ ended }) => ended));
  };
  return { replica, idOf, end };
}

/** A refusal that says which list of the credential keeps it out. */
const DENIED = /^PERMISSION_DENIED by (agent_ids|session_key_prefixes)$/;

async function outcome(work: Promise<unknown>): Promise<string | undefined> {
  return work.then(
    () => "OK",
    (error: { reason?: string; metadata?: Readonly<Record<string, string>> }) =>
      [error.reason, error.metadata?.["bound_by"]].filter(Boolean).join(" by "),
  );
}

async function firstOf<T>(stream: AsyncIterable<T>): Promise<T | undefined> {
  for await (const one of stream) return one;
  return undefined;
}

async function watched(client: Replica["client"], bounds: object): Promise<string[]> {
  const seen: string[] = [];
  for await (const { event } of client.watchLanes({}, bounds)) {
    if (event.case === "snapshot") seen.push(event.value.sessionKey);
    if (event.case === "snapshotEnd") break;
  }
  return seen.sort();
}

test.concurrent.each(BOUND)(
  "a credential bound to %s: lists, watches, and what names a key or a turn",
  async (_what, bounds, keys) => {
    await using world = await worlds.start();
    const { replica, idOf, end } = await threeLanes(world);
    const { client } = replica;
    const lanes = await client.listLanes({}, bounds);
    expect(lanes.lanes.map(({ sessionKey }) => sessionKey)).toEqual(keys);
    const firstLane = await client.listLanes({ pageSize: 1 }, bounds);
    expect(firstLane.lanes.map(({ sessionKey }) => sessionKey)).toEqual(keys.slice(0, 1));
    const { turns } = await client.listTurns({}, bounds);
    expect(new Set(turns.map(({ session }) => session?.sessionKey))).toEqual(new Set(keys));
    expect(await watched(client, bounds)).toEqual([...keys]);
    const mayUse = (agentId: string) => keys.some((key) => key.startsWith(`agent:${agentId}:`));
    const { agents } = await client.listAgents({}, bounds);
    expect(agents.map(({ agentId }) => agentId)).toEqual(["main", "work"].filter(mayUse));
    for (const agentId of ["main", "work"]) {
      const told = await outcome(firstOf(client.watchLanes({ agentId }, bounds)));
      expect([agentId, told]).toEqual([
        ...[agentId, mayUse(agentId) ? "OK" : expect.stringMatching(DENIED)],
      ]);
    }
    for (const key of KEYS) {
      const isWithin = (keys as readonly string[]).includes(key);
      const denied = isWithin ? "OK" : expect.stringMatching(DENIED);
      const hidden = isWithin ? "OK" : "NOT_FOUND";
      const turnId = idOf.get(key) ?? "";
      const session = { case: "sessionKey", value: key } as const;
      const attached = client.attachTurn({ target: { case: "turnId", value: turnId } }, bounds);
      expect([
        ...[key, await outcome(client.getLane({ sessionKey: key }, bounds))],
        await outcome(client.listTurns({ sessionKey: key }, bounds)),
        await outcome(client.listMessages({ session }, bounds)),
        await outcome(firstOf(client.exportSession({ session }, bounds))),
        await outcome(client.submitTurn(turnFor(world, "hi", { key }), bounds)),
        await outcome(client.getTurn({ turnId }, bounds)),
        await outcome(firstOf(attached)),
      ]).toEqual([key, denied, denied, denied, denied, denied, hidden, hidden]);
    }
    for (const key of KEYS) {
      const isWithin = (keys as readonly string[]).includes(key);
      const cancelled = await outcome(client.cancelTurn({ turnId: idOf.get(key) ?? "" }, bounds));
      expect([key, cancelled]).toEqual([key, isWithin ? "OK" : "NOT_FOUND"]);
    }
    await end();
  },
);

test.concurrent("a session that lies outside the bounds is like one that never was, by its id too", async () => {
  await using world = await worlds.start();
  const { replica, end } = await threeLanes(world);
  await end();
  const { client } = replica;
  const bounds = { keyPrefixes: ["agent:main:crm:"] };
  const [own, other] = [OWN, OTHER].map((key) => world.identity.ref("t1", key).sessionId ?? "");
  const by = (value = "") => ({ session: { case: "sessionId" as const, value } });
  expect((await client.listMessages(by(own), bounds)).messages).toHaveLength(2);
  expect((await client.listMessages(by(other))).messages).toHaveLength(2);
  expect((await client.listMessages(by(other), bounds)).messages).toEqual([]);
  const never = "01900000-0000-7000-8000-00000000dead";
  const exported = async (id: string | undefined) =>
    Buffer.from((await firstOf(client.exportSession(by(id), bounds)))?.lines ?? []).toString();
  expect(await exported(other)).toBe(await exported(never));
  expect(await exported(own)).toContain("message");
});

test.concurrent("a turn without a session is its agent's, and its own caller's", async () => {
  await using world = await worlds.start();
  const { client } = await world.replica();
  const model = { provider: { case: "scripted" as const, value: {} } };
  await client.applyAgents({ agents: ["main", "work"].map((agentId) => ({ agentId, model })) });
  const stateless = (agentId: string) =>
    turnFor(world, agentId, { target: { case: "statelessAgentId", value: agentId } });
  const bounds = { principal: "p2", keyPrefixes: ["agent:main:crm:"] };
  expect(await outcome(client.submitTurn(stateless("work"), bounds))).toMatch(DENIED);
  const { turnId } = await client.submitTurn(stateless("main"), bounds);
  const asked = (options: object) => outcome(client.getTurn({ turnId }, options));
  expect(await asked(bounds)).toBe("OK");
  expect(await asked({ ...bounds, principal: "p3" })).toBe("NOT_FOUND");
  expect(await asked({ principal: "p3", keyPrefixes: ["agent:main:"] })).toBe("OK");
});
