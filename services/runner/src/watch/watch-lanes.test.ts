import { createRunnerClient } from "@lanekeeper/client";
import type { WatchLanesResponse } from "@lanekeeper/protocol/lanekeeper/runner/v1/lane";
import { serviceCredential } from "@lanekeeper/rpc";
import { eventually } from "@lanekeeper/testing";
import { expect, test } from "vitest";
import { LIMITS } from "../limits.ts";
import { gate } from "../testing/gate.ts";
import { heldAnswer } from "../testing/model-double.ts";
import { applyMain, Attached, KEY, turnFor } from "../testing/requests.ts";
import { type Replica, SECRET, World } from "../testing/world.ts";
import { testWorlds } from "../testing/test-worlds.ts";

const worlds = testWorlds();

/** A watch that is being read. */
class Watch implements AsyncDisposable {
  readonly messages: WatchLanesResponse[] = [];
  readonly #controller = new AbortController();
  readonly done: Promise<unknown>;

  constructor(
    { client }: Pick<Replica, "client">,
    request: { agentId?: string; sessionKeyPrefix?: string } = {},
    options: {
      agents?: readonly string[];
      tenant?: string;
      scopes?: readonly string[];
    } = {},
  ) {
    const { signal } = this.#controller;
    this.done = this.#read(client.watchLanes(request, { signal, ...options })).catch(
      (error: unknown) => error,
    );
  }

  async #read(stream: AsyncIterable<WatchLanesResponse>): Promise<void> {
    for await (const message of stream) this.messages.push(message);
  }

  /** What was told of one lane, as text. */
  of(key: string): string[] {
    return this.messages.flatMap(({ event }) => {
      if (event.case !== "snapshot" && event.case !== "changed") return [];
      const { sessionKey, depth, holder, waiting } = event.value;
      if (sessionKey !== key) return [];
      const positions = waiting.map(({ position }) => position).join(",");
      return [`${event.case} ${depth} ${holder === undefined ? "free" : "held"} [${positions}]`];
    });
  }

  /** Who waits in a lane, as it was told last. */
  waitingIn(key: string): string[] {
    const told = this.messages.flatMap(({ event }) =>
      event.case === "snapshot" || event.case === "changed" ? [event.value] : [],
    );
    const lane = told.findLast(({ sessionKey }) => sessionKey === key);
    return lane?.waiting.map(({ turnId }) => turnId) ?? [];
  }

  get isWhole(): boolean {
    return this.messages.some(({ event }) => event.case === "snapshotEnd");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#controller.abort();
    await this.done;
  }
}

test.concurrent("a watch tells lanes as they stand and as they change, through any replica", async () => {
  await using world = await worlds.start();
  const [a, b] = [await world.replica(), await world.replica()];
  await applyMain(a);
  const held = gate();
  world.model.behaviour = heldAnswer(held.opened);
  const first = new Attached(a, { submit: turnFor(world, "one") });
  await eventually(() => first.kinds.includes("textDelta"));
  const system = await a.client.submitTurn(turnFor(world, "system", { turnClass: 2 }));
  await using watch = new Watch(b);
  await eventually(() => watch.isWhole);
  expect(watch.of(KEY)).toEqual(["snapshot 1 held [1]"]);
  const person = await a.client.submitTurn(turnFor(world, "person"));
  await eventually(() => watch.of(KEY).length === 2);
  expect(watch.of(KEY).at(-1)).toBe("changed 2 held [1,2]");
  const { event } = watch.messages.at(-1) ?? {};
  if (event?.case !== "changed") throw new Error("no change");
  expect(event.value.waiting.map(({ turnId }) => turnId)).toEqual([person.turnId, system.turnId]);
  expect(event.value.holder).toMatchObject({ turnId: first.turnId });
  expect(event.value.holder?.heartbeatAge).toBeDefined();
  held.open();
  await eventually(() => watch.of(KEY).at(-1) === "changed 0 free []");
  const depths = watch.of(KEY).map((text) => Number(text.split(" ")[1]));
  expect(depths.slice(1)).toEqual(depths.slice(1).toSorted((x, y) => y - x));
});

/** So many more that wait behind a turn, as if they had been submitted. */
async function moreLike(world: World, turnId: string, count: number): Promise<string[]> {
  const { rows } = await world.db.query<{ turn_id: string }>(
    `WITH more AS (
       INSERT INTO turns SELECT (jsonb_populate_record(t,
         jsonb_build_object('turn_id', gen_random_uuid(), 'lane_seq', t.lane_seq + n))).*
       FROM turns t, generate_series(1, $2) n WHERE t.turn_id = $1
       RETURNING turn_id, lane_seq
     ), lane AS (UPDATE lanes SET depth = depth + $2, next_seq = next_seq + $2)
     SELECT turn_id FROM more ORDER BY lane_seq`,
    [turnId, count],
  );
  return rows.map((row) => row.turn_id);
}

test.concurrent("of a long lane the first that wait are told, in the order in which they are served, and how many there are", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica, { maxWaitingTurns: 200 });
  const held = gate();
  world.model.behaviour = heldAnswer(held.opened);
  const first = new Attached(replica, { submit: turnFor(world, "one") });
  await eventually(() => first.kinds.includes("textDelta"));
  const system = await replica.client.submitTurn(turnFor(world, "system", { turnClass: 2 }));
  const { turnId } = await replica.client.submitTurn(turnFor(world, "person"));
  const persons = [turnId, ...(await moreLike(world, turnId, LIMITS.watchedTurnsPerLane))];
  await using watch = new Watch(replica);
  await eventually(() => watch.isWhole);
  const [seen] = watch.messages.flatMap(({ event }) =>
    event.case === "snapshot" && event.value.sessionKey === KEY ? [event.value] : [],
  );
  expect(seen?.depth).toBe(LIMITS.watchedTurnsPerLane + 2);
  const behindEight = [...persons.slice(0, 8), system.turnId, ...persons.slice(8)];
  expect(seen?.waiting.map(({ turnId }) => turnId)).toEqual(
    behindEight.slice(0, LIMITS.watchedTurnsPerLane),
  );
  await replica.client.cancelTurn({ turnId: first.turnId });
  held.open();
});

test.concurrent("a heartbeat of the holder is a change; a cancelled turn that waited is one too", async () => {
  await using world = await worlds.start();
  const replica = await world.replica({ leaseMs: 3_000 });
  await applyMain(replica);
  const held = gate();
  world.model.behaviour = heldAnswer(held.opened);
  const first = new Attached(replica, { submit: turnFor(world, "one") });
  await eventually(() => first.kinds.includes("textDelta"));
  await using watch = new Watch(replica);
  await eventually(() => watch.of(KEY).length >= 3);
  expect(new Set(watch.of(KEY).map((text) => text.slice(text.indexOf(" "))))).toEqual(
    new Set([" 0 held []"]),
  );
  const { turnId } = await replica.client.submitTurn(turnFor(world, "two"));
  await eventually(() => watch.of(KEY).at(-1) === "changed 1 held [1]");
  await replica.client.cancelTurn({ turnId });
  await eventually(() => watch.of(KEY).at(-1) === "changed 0 held []");
  held.open();
  await first.ended;
});

test.concurrent("a turn that takes another one's place is a change, though as many wait as before", async () => {
  await using world = await worlds.start();
  // No heartbeat tells it in its place.
  const replica = await world.replica({ leaseMs: 300_000 });
  await applyMain(replica);
  const held = gate();
  world.model.behaviour = heldAnswer(held.opened);
  const first = new Attached(replica, { submit: turnFor(world, "one") });
  await eventually(() => first.kinds.includes("textDelta"));
  const host = await replica.client.submitTurn(turnFor(world, "was given back"));
  const { turnId } = await replica.client.submitTurn(turnFor(world, "was handed to it"));
  // As a run leaves them that goes back to its queue with a message.
  await world.db.query(
    `WITH tied AS (UPDATE turns SET steer = 1, into_turn_id = $2 WHERE turn_id = $1)
     UPDATE lanes SET depth = depth - 1`,
    [turnId, host.turnId],
  );
  await using watch = new Watch(replica);
  await eventually(() => watch.of(KEY).length > 0);
  expect(watch.waitingIn(KEY)).toEqual([host.turnId]);
  await replica.client.cancelTurn({ turnId: host.turnId });
  await eventually(() => watch.waitingIn(KEY)[0] === turnId);
  expect(watch.waitingIn(KEY)).toEqual([turnId]);
  held.open();
  await first.ended;
});

test.concurrent("a watch is of the tenant, and of the agents and the keys that it asks for", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  const model = { provider: { case: "scripted" as const, value: {} } };
  await replica.client.applyAgents({
    agents: ["main", "ops"].map((agentId) => ({ agentId, model })),
  });
  const held = gate();
  world.model.behaviour = heldAnswer(held.opened);
  const keys = ["agent:main:a", "agent:main:b", "agent:ops:a"] as const;
  const turns = keys.map((key) => new Attached(replica, { submit: turnFor(world, key, { key }) }));
  await eventually(() => turns.every(({ kinds }) => kinds.includes("textDelta")));
  await using all = new Watch(replica);
  await using ops = new Watch(replica, { agentId: "ops" });
  await using prefixed = new Watch(replica, { sessionKeyPrefix: "agent:main:b" });
  await using allowed = new Watch(replica, {}, { agents: ["ops"] });
  await using other = new Watch(replica, {}, { tenant: "t2" });
  await eventually(() => [all, ops, prefixed, allowed, other].every(({ isWhole }) => isWhole));
  const told = [all, ops, prefixed, allowed, other].map((watch) =>
    keys.filter((key) => watch.of(key).length > 0),
  );
  expect(told).toEqual([keys, ["agent:ops:a"], ["agent:main:b"], ["agent:ops:a"], []]);
  expect(all.messages.every(({ tenant }) => tenant === "")).toBe(true);
  const refused = new Watch(replica, { agentId: "main" }, { agents: ["ops"] });
  expect(await refused.done).toMatchObject({ reason: "PERMISSION_DENIED" });
  held.open();
  await Promise.all(turns.map(({ ended }) => ended));
});

test.concurrent("delivery watches all tenants, and is told whose lane it is", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  const { grpcPort } = replica;
  const held = gate();
  world.model.behaviour = heldAnswer(held.opened);
  const target = { case: "session" as const, value: world.identity.ref("t2", KEY) };
  const model = { provider: { case: "scripted" as const, value: {} } };
  await replica.client.applyAgents({ agents: [{ agentId: "main", model }] }, { tenant: "t2" });
  const turn = new Attached(
    replica,
    { submit: turnFor(world, "hello", { target }) },
    { tenant: "t2" },
  );
  await eventually(() => turn.kinds.includes("textDelta"));
  await using client = closing(
    createRunnerClient({
      target: `127.0.0.1:${grpcPort}`,
      credential: serviceCredential("delivery", SECRET),
    }),
  );
  await using watch = new Watch(client);
  await eventually(() => watch.isWhole);
  expect(watch.of(KEY)).toEqual(["snapshot 0 held []"]);
  expect(watch.messages[0]?.tenant).toBe("t2");
  held.open();
  await eventually(() => watch.of(KEY).at(-1) === "changed 0 free []");
  expect(watch.messages.at(-1)?.tenant).toBe("t2");
  await using outside = new Watch(client, {}, { scopes: ["operator"] });
  expect(await outside.done).toMatchObject({ reason: "PERMISSION_DENIED" });
  expect(outside.messages).toEqual([]);
});

function closing(client: Replica["client"]): Pick<Replica, "client"> & AsyncDisposable {
  return { client, [Symbol.asyncDispose]: async () => client.$close() };
}

test.concurrent("nobody watches: no lane is looked at", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica);
  const before = replica.statements().get("runner_busy_lanes") ?? 0;
  const watch = new Watch(replica);
  await eventually(() => (replica.statements().get("runner_busy_lanes") ?? 0) > before + 1);
  await watch[Symbol.asyncDispose]();
  // A look that was under way when the watcher left is over by the time of a sweep.
  const sweeps = () => replica.statements().get("runner_idle_lanes") ?? 0;
  const sweepsBefore = sweeps();
  await eventually(() => sweeps() > sweepsBefore);
  const looks = replica.statements().get("runner_busy_lanes");
  await eventually(() => sweeps() > sweepsBefore + 1);
  expect(replica.statements().get("runner_busy_lanes")).toBe(looks);
});
