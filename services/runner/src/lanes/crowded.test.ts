import { TurnState } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { eventually } from "@lanekeeper/testing";
import { expect, test } from "vitest";
import { textOf } from "../domain/message-text.ts";
import { LIMITS } from "../limits.ts";
import { gate } from "../testing/gate.ts";
import { echo, heldAnswer } from "../testing/model-double.ts";
import { applyMain, Attached, KEY, TENANT, turnFor } from "../testing/requests.ts";
import { testWorlds } from "../testing/test-worlds.ts";
import type { Replica, World } from "../testing/world.ts";

const worlds = testWorlds();

const stateless = (world: World, text: string) =>
  turnFor(world, text, { target: { case: "statelessAgentId", value: "main" } });

/** Their ends, some asked for at a time: a busy machine is not to be the judge of how many may ask at once. */
async function ended(replica: Replica, turnIds: readonly string[]): Promise<void> {
  for (let from = 0; from < turnIds.length; from += CROWD) {
    const some = turnIds.slice(from, from + CROWD);
    await Promise.all(some.map((turnId) => new Attached(replica, { turnId }).ended));
  }
}

/** As many as a statement each would show. */
const CROWD = 50;

test("a crowd that attaches in one lane reads its queue once, and claims it once where all see it free", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica);
  const held = gate();
  world.model.behaviour = heldAnswer(held.opened);
  const first = new Attached(replica, { submit: turnFor(world, "first") });
  await eventually(() => first.kinds.includes("textDelta"));
  const waiting = Array.from({ length: CROWD }, (_, at) => turnFor(world, `waits ${at}`));
  const accepted = await Promise.all(waiting.map((submit) => replica.client.submitTurn(submit)));
  const sent = (name: string): number => replica.statements().get(name) ?? 0;
  const before = { looks: sent("runner_read_waiting"), claims: sent("runner_lock_lane") };
  const whole = { wholeAnswer: true };
  const attached = accepted.map(({ turnId }) => new Attached(replica, { turnId }, whole));
  await eventually(() => attached.every(({ kinds }) => kinds.includes("accepted")));
  const places = attached.map(({ events: [accepted] }) =>
    accepted?.event.case === "accepted" ? accepted.event.value.position : -1,
  );
  expect(places.toSorted((a, b) => a - b)).toEqual(waiting.map((_, at) => at + 1));
  expect(sent("runner_read_waiting") - before.looks).toBeLessThan(CROWD / 5);
  for (let round = 1; round <= 10; round += 1) {
    const claims = sent("runner_lock_lane");
    await eventually(() => {
      for (let seen = 0; seen < CROWD; seen += 1) replica.context.runner.sawFree(TENANT, KEY);
      return sent("runner_lock_lane") > claims;
    });
  }
  held.open();
  await Promise.all([first, ...attached].map(({ ended }) => ended));
  // One or two for each round, one for each turn when the one before it ended, some for who looked in between.
  expect(sent("runner_lock_lane") - before.claims).toBeLessThan(4 * CROWD);
});

test("a crowd that comes at once, in lanes of its own, ran all at once: each saw the room that the others took", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica);
  const held = gate();
  world.model.behaviour = heldAnswer(held.opened);
  const { runs } = replica.context;
  const most = LIMITS.activeRunsPerReplica;
  const crowd = Array.from({ length: most + CROWD }, (_, at) =>
    turnFor(world, "hello", { key: `agent:main:crowd:${at}` }),
  );
  const accepted = await Promise.all(crowd.map((submit) => replica.client.submitTurn(submit)));
  await eventually(() => runs.size >= most);
  await replica.context.sweeper.sweepOnce();
  expect(runs.size).toBe(most);
  await expect(replica.client.submitTurn(stateless(world, "x"))).rejects.toMatchObject({
    reason: "RATE_LIMITED",
    metadata: { bound: "runs_per_replica", limit: String(most) },
  });
  held.open();
  await ended(
    replica,
    accepted.map(({ turnId }) => turnId),
  );
  await eventually(() => runs.size === 0);
});

test("a turn whose run died goes on before those that wait for room, where a replica is full", async () => {
  await using world = await worlds.start();
  const doomed = await world.replica({ dieAt: "after runner_activate" });
  const other = await world.replica();
  await applyMain(other);
  const { turnId } = await doomed.client.submitTurn(turnFor(world, "one"));
  await eventually(() => doomed.isDead);
  const { runs, sweeper } = other.context;
  const rooms = Array.from({ length: LIMITS.activeRunsPerReplica }, () => runs.rooms.hold(TENANT));
  const held = gate();
  world.model.behaviour = heldAnswer(held.opened);
  const wait = (at: number) => turnFor(world, "hello", { key: `agent:main:waits:${at}` });
  const waiting = await Promise.all([0, 1].map((at) => other.client.submitTurn(wait(at))));
  await world.expireLeases();
  await sweeper.sweepOnce();
  expect(runs.size).toBe(0);
  rooms[0]?.release();
  await eventually(() => runs.size === 1);
  expect(runs.list().map((run) => run.turnId)).toEqual([turnId]);
  held.open();
  for (const room of rooms) room?.release();
  const all = [turnId, ...waiting.map((one) => one.turnId)];
  await Promise.all(all.map((id) => new Attached(other, { turnId: id }).ended));
  await eventually(() => runs.size === 0);
});

test("a turn without a session was refused for admissions whose database was slow, while nothing ran", async () => {
  await using world = await worlds.start();
  const stalled = gate();
  const replica = await world.replica({
    beforeStatement: async (name) => {
      if (/^runner_insert_(lane|lots)/.test(name)) await stalled.opened;
    },
  });
  await applyMain(replica);
  const { runs } = replica.context;
  const crowd = Array.from({ length: LIMITS.activeRunsPerReplica }, (_, at) =>
    replica.client.submitTurn(turnFor(world, "hello", { key: `agent:main:stalled:${at % 8}` })),
  );
  await eventually(() => !runs.rooms.hasFor(TENANT));
  expect(runs.size).toBe(0);
  const waits = new Attached(replica, { submit: stateless(world, "x") });
  // It was on its way before this one, which has come to its answer.
  await expect(
    replica.client.submitTurn(turnFor(world, "other"), { tenant: "t2" }),
  ).rejects.toMatchObject({
    reason: "UNKNOWN_MODEL",
  });
  stalled.open();
  expect(await waits.ended).toMatchObject({ state: TurnState.COMPLETED });
  const accepted = await Promise.all(crowd);
  await ended(
    replica,
    accepted.map(({ turnId }) => turnId),
  );
  await eventually(() => runs.size === 0 && runs.rooms.of(TENANT) === 0);
});

test("a tenant whose model is slow had all of a replica, and every other waited for as long", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica);
  const model = { provider: { case: "scripted" as const, value: {} } };
  const tenant = "t2";
  await replica.client.applyAgents({ agents: [{ model, agentId: "main" }] }, { tenant });
  const held = gate();
  world.model.behaviour = (request) =>
    request.messages.some((message) => textOf(message) === "slow")
      ? heldAnswer(held.opened)(request)
      : echo(request);
  const { runs, sweeper } = replica.context;
  const most = LIMITS.activeRunsPerReplica;
  const flood = Array.from({ length: most + CROWD }, (_, at) =>
    replica.client.submitTurn(turnFor(world, "slow", { key: `agent:main:slow:${at}` })),
  );
  const slow = await Promise.all(flood);
  await eventually(() => runs.size >= most);
  await sweeper.sweepOnce();
  expect(runs.rooms.of(TENANT)).toBe(most);
  const target = (key: string) => ({
    case: "session" as const,
    value: world.identity.ref(tenant, key),
  });
  const others = Array.from({ length: CROWD }, (_, at) => {
    const submit = turnFor(world, "quick", { target: target(`agent:main:quick:${at}`) });
    return new Attached(replica, { submit }, { tenant }).ended;
  });
  for (const { state } of await Promise.all(others)) expect(state).toBe(TurnState.COMPLETED);
  expect(runs.rooms.of(TENANT)).toBe(most);
  held.open();
  await ended(
    replica,
    slow.map(({ turnId }) => turnId),
  );
});
