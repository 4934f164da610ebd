import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { OnConflict, TurnState } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { eventually } from "@lanekeeper/testing";
import { expect, test } from "vitest";
import { gate } from "../testing/gate.ts";
import { heldAnswer } from "../testing/model-double.ts";
import { applyMain, Attached, KEY, TENANT, turnFor } from "../testing/requests.ts";
import { testWorlds } from "../testing/test-worlds.ts";
import { transcript } from "../testing/reading.ts";

const worlds = testWorlds();

test.concurrent("a turn that waits longer than it may fails with QUEUE_TIMEOUT", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica);
  const held = gate();
  world.model.behaviour = heldAnswer(held.opened);
  const first = new Attached(replica, { submit: turnFor(world, "one") });
  await eventually(() => first.kinds.includes("textDelta"));
  const maxWait = durationFromMs(50);
  const second = new Attached(replica, { submit: turnFor(world, "two", { maxWait }) });
  expect(await second.ended).toMatchObject({
    state: TurnState.FAILED,
    errorReason: "QUEUE_TIMEOUT",
  });
  held.open();
  expect((await first.ended).state).toBe(TurnState.COMPLETED);
  expect(await transcript(replica, KEY)).toEqual(["one", "held"]);
});

test.concurrent("a turn that asks for its generation does not run in another", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica);
  const submit = turnFor(world, "one", { requireGeneration: true });
  world.identity.rotate(TENANT, KEY);
  const ended = await new Attached(replica, { submit }).ended;
  expect(ended).toMatchObject({ state: TurnState.FAILED, errorReason: "GENERATION_MISMATCH" });
});

test.concurrent("a context reaches back through the parents of a session", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica, { systemPrompt: "be kind" });
  const before = world.identity.ref(TENANT, KEY);
  await new Attached(replica, { submit: turnFor(world, "one") }).ended;
  world.identity.rotate(TENANT, KEY, { parentSessionId: before.sessionId });
  await new Attached(replica, { submit: turnFor(world, "two") }).ended;
  expect(world.model.shown(1)).toEqual([
    "system: be kind",
    "user: one",
    "assistant: echo: one",
    "user: two",
  ]);
  world.identity.rotate(TENANT, KEY);
  await new Attached(replica, { submit: turnFor(world, "three") }).ended;
  expect(world.model.shown(2)).toEqual(["system: be kind", "user: three"]);
  const { messages } = await replica.client.listMessages({
    session: { case: "sessionKey", value: KEY },
    pageSize: 2,
  });
  expect(messages.map(({ generation }) => generation)).toEqual([1n, 1n]);
});

test.concurrent("an attachment resumes after the last event that it saw, on another replica too", async () => {
  await using world = await worlds.start();
  const a = await world.replica();
  const b = await world.replica();
  await applyMain(a);
  const held = gate();
  world.model.behaviour = heldAnswer(held.opened);
  const first = new Attached(a, { submit: turnFor(world, "one") });
  await eventually(() => first.kinds.includes("textDelta"));
  const seen = first.events.at(-1)?.streamSeq ?? 0n;
  first.leave();
  const resumed = new Attached(b, { turnId: first.turnId }, { afterStreamSeq: seen });
  await eventually(() => resumed.kinds.includes("accepted"));
  held.open();
  await resumed.ended;
  expect(resumed.text).toBe("ld");
  expect(resumed.kinds.filter((kind) => kind === "runBegun")).toEqual([]);
});

test.concurrent("a lane is listed while it has work, with its turns in order", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica);
  const held = gate();
  world.model.behaviour = heldAnswer(held.opened);
  const active = new Attached(replica, { submit: turnFor(world, "one") });
  await eventually(() => active.kinds.includes("textDelta"));
  const system = await replica.client.submitTurn(turnFor(world, "system", { turnClass: 2 }));
  const person = await replica.client.submitTurn(turnFor(world, "person"));
  expect([system.position, person.position]).toEqual([1, 1]);
  const { lane } = await replica.client.getLane({ sessionKey: KEY });
  expect(lane?.activeTurn?.turnId).toBe(active.turnId);
  expect(lane?.queuedTurns.map(({ turnId, position }) => [turnId, position])).toEqual([
    [person.turnId, 1],
    [system.turnId, 2],
  ]);
  const listed = await replica.client.listLanes({});
  expect(listed.lanes.map(({ sessionKey, depth }) => [sessionKey, depth])).toEqual([[KEY, 2]]);
  held.open();
  await eventually(async () => (await replica.client.listLanes({})).lanes.length === 0);
});

test.concurrent("reading is of the tenant alone", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica);
  const attached = new Attached(replica, { submit: turnFor(world, "one") });
  await attached.ended;
  const other = { tenant: "t2" };
  await expect(replica.client.getTurn({ turnId: attached.turnId }, other)).rejects.toMatchObject({
    reason: "NOT_FOUND",
  });
  await expect(replica.client.cancelTurn({ turnId: attached.turnId }, other)).rejects.toMatchObject(
    { reason: "NOT_FOUND" },
  );
  const { messages } = await replica.client.listMessages(
    { session: { case: "sessionKey", value: KEY } },
    other,
  );
  expect(messages).toEqual([]);
  expect((await replica.client.listTurns({}, other)).turns).toEqual([]);
  expect((await replica.client.listAgents({}, other)).agents).toEqual([]);
});

test.concurrent("interrupting into an agent that was left out, or into none, is refused", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica);
  await replica.client.applyAgents({ agents: [] });
  const submit = turnFor(world, "one", { onConflict: OnConflict.INTERRUPT });
  await expect(replica.client.submitTurn(submit)).rejects.toMatchObject({
    reason: "UNKNOWN_MODEL",
  });
});
