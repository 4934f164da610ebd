import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { Disposition, OnConflict, TurnState } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { eventually } from "@lanekeeper/testing";
import { expect, test } from "vitest";
import { textOf } from "../domain/message-text.ts";
import { LIMITS } from "../limits.ts";
import { gate } from "../testing/gate.ts";
import { heldAnswer } from "../testing/model-double.ts";
import { applyMain, Attached, KEY, TENANT, turnFor } from "../testing/requests.ts";
import type { Replica } from "../testing/world.ts";
import { testWorlds } from "../testing/test-worlds.ts";

const worlds = testWorlds();

async function texts(replica: Replica, key: string) {
  const { messages } = await replica.client.listMessages({
    session: { case: "sessionKey", value: key },
  });
  return messages.map(({ message }) => (message === undefined ? "" : textOf(message)));
}

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
  expect(await texts(replica, KEY)).toEqual(["one", "held"]);
});

test.concurrent("the turns of a merged key run behind the survivor's, in order", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica);
  const [loser, survivor] = ["agent:main:loser", "agent:main:survivor"];
  const held = gate();
  world.model.behaviour = heldAnswer(held.opened);
  const running = new Attached(replica, { submit: turnFor(world, "s0", { key: survivor }) });
  await eventually(() => running.kinds.includes("textDelta"));
  const submits = ["l1", "l2"].map((text) => turnFor(world, text, { key: loser }));
  world.identity.move(TENANT, loser, survivor);
  const moved: Attached[] = [];
  for (const submit of submits) {
    const attached = new Attached(replica, { submit });
    await eventually(() => attached.kinds.includes("accepted"));
    moved.push(attached);
  }
  await eventually(async () => {
    const { lane } = await replica.client.getLane({ sessionKey: survivor });
    return lane?.depth === 2;
  });
  held.open();
  const ended = await Promise.all(moved.map((one) => one.ended));
  expect(ended.map(({ session }) => session?.sessionKey)).toEqual([survivor, survivor]);
  expect((await texts(replica, survivor)).filter((text) => text !== "held")).toEqual([
    "s0",
    "l1",
    "l2",
  ]);
  const { lane } = await replica.client.getLane({ sessionKey: loser });
  expect(lane?.depth).toBe(0);
  expect(lane?.activeTurn).toBeUndefined();
});

test.concurrent("who waits in a lane that is merged is told its place behind the survivor's turns", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica);
  const [loser, survivor] = ["agent:main:loser", "agent:main:survivor"];
  const held = { [loser]: gate(), [survivor]: gate() };
  const runs: Attached[] = [];
  for (const [key, { opened }] of Object.entries(held)) {
    world.model.behaviour = heldAnswer(opened);
    const run = new Attached(replica, { submit: turnFor(world, key, { key }) });
    await eventually(() => run.kinds.includes("textDelta"));
    runs.push(run);
  }
  await replica.client.submitTurn(turnFor(world, "before", { key: survivor }));
  const waits = new Attached(replica, { submit: turnFor(world, "waits", { key: loser }) });
  const places = () =>
    waits.events.flatMap(({ event }) => (event.case === "queued" ? [event.value.position] : []));
  await eventually(() => places().at(-1) === 1);
  world.identity.move(TENANT, loser, survivor);
  held[loser]?.open();
  await eventually(() => places().at(-1) === 2);
  held[survivor]?.open();
  expect((await waits.ended).session?.sessionKey).toBe(survivor);
});

test.concurrent.each([
  ["first and last", [true, false, true]],
  ["in between", [false, true, true, false]],
  ["alone", [true]],
])(
  "of a merged key's turns those that ask for their generation fail, whatever number the survivor has: %s",
  async (_what, asksFor) => {
    await using world = await worlds.start();
    const replica = await world.replica();
    await applyMain(replica);
    const [loser, survivor] = ["agent:main:loser", "agent:main:survivor"];
    expect(world.identity.ref(TENANT, loser).generation).toBe(
      world.identity.ref(TENANT, survivor).generation,
    );
    const submits = asksFor.map((requireGeneration, n) =>
      turnFor(world, `l${n}`, { key: loser, requireGeneration }),
    );
    // While the key cannot be asked for, they wait one behind the other.
    world.identity.isDown = true;
    const all: Attached[] = [];
    for (const submit of submits) {
      const attached = new Attached(replica, { submit });
      await eventually(() => attached.kinds.includes("accepted"));
      all.push(attached);
    }
    world.identity.move(TENANT, loser, survivor);
    world.identity.isDown = false;
    const ended = await Promise.all(all.map((one) => one.ended));
    expect(ended.map(({ state, errorReason }) => ({ state, errorReason }))).toEqual(
      asksFor.map((asks) =>
        asks
          ? { state: TurnState.FAILED, errorReason: "GENERATION_MISMATCH" }
          : { state: TurnState.COMPLETED, errorReason: "" },
      ),
    );
    const moved = asksFor.flatMap((asks, n) => (asks ? [] : [`l${n}`, `echo: l${n}`]));
    expect(await texts(replica, survivor)).toEqual(moved);
    const { lane } = await replica.client.getLane({ sessionKey: loser });
    expect(lane?.depth).toBe(0);
    expect(lane?.activeTurn).toBeUndefined();
  },
);

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

test.concurrent("a retry that shows no key joins the turn whose caller was cut off, and no other", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica);
  const held = gate();
  world.model.behaviour = heldAnswer(held.opened);
  const generated = () => turnFor(world, "hello", { keyIsGenerated: true, clientRetryCount: 0 });
  const first = new Attached(replica, { submit: generated() });
  await eventually(() => first.kinds.includes("textDelta"));
  const early = await replica.client.submitTurn({ ...generated(), clientRetryCount: 1 });
  expect(early.disposition).toBe(Disposition.QUEUED);
  first.leave();
  const isGone = "SELECT FROM turns WHERE turn_id = $1 AND caller_gone";
  await eventually(async () => (await world.db.query(isGone, [first.turnId])).rowCount === 1);
  const retry = new Attached(replica, { submit: { ...generated(), clientRetryCount: 1 } });
  await eventually(() => retry.kinds.includes("textDelta"));
  expect(retry.turnId).toBe(first.turnId);
  held.open();
  expect((await retry.ended).state).toBe(TurnState.COMPLETED);
});

test.concurrent("a retry that shows no key is no retry of a turn that ended long before", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica);
  const generated = (clientRetryCount: number) =>
    turnFor(world, "yes", { keyIsGenerated: true, clientRetryCount });
  const first = new Attached(replica, { submit: generated(0) });
  await first.ended;
  await replica.client.reportCutOff({ turnId: first.turnId });
  const retry = await replica.client.submitTurn(generated(1));
  expect(retry).toMatchObject({ turnId: first.turnId, disposition: Disposition.JOINED });
  await world.db.query(
    "UPDATE turns SET end_time = end_time - $2 * interval '1 ms' WHERE turn_id = $1",
    [first.turnId, LIMITS.retriesComeWithinMs],
  );
  const later = await replica.client.submitTurn(generated(1));
  expect(later.turnId).not.toBe(first.turnId);
});

test.concurrent("somebody else who attaches is not the turn's caller, neither coming nor leaving", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica);
  const held = gate();
  world.model.behaviour = heldAnswer(held.opened);
  const isGone = async (turnId: string) =>
    (await world.db.query("SELECT FROM turns WHERE turn_id = $1 AND caller_gone", [turnId]))
      .rowCount === 1;
  const watch = async ({ turnId }: Attached) => {
    const watching = new Attached(replica, { turnId }, { principal: "operator" });
    await eventually(() => watching.kinds.includes("textDelta"));
    return watching;
  };
  const hello = (clientRetryCount: number) =>
    turnFor(world, "hello", { keyIsGenerated: true, clientRetryCount });
  const caller = new Attached(replica, { submit: hello(0) });
  await eventually(() => caller.kinds.includes("textDelta"));
  const leaving = await watch(caller);
  leaving.leave();
  await leaving.ended.catch(() => undefined);
  await eventually(() => replica.context.attachments.total === 1);
  const other = await replica.client.submitTurn(hello(1));
  expect(other.disposition).toBe(Disposition.QUEUED);
  expect(await isGone(caller.turnId)).toBe(false);
  caller.leave();
  await eventually(() => isGone(caller.turnId));
  await watch(caller);
  expect(await isGone(caller.turnId)).toBe(true);
  const retry = new Attached(replica, { submit: hello(1) });
  await eventually(() => retry.kinds.includes("textDelta"));
  expect(retry.turnId).toBe(caller.turnId);
  held.open();
  await retry.ended;
});

test.concurrent("a caller who was told of no end joins it later; another key, a first try and a second yes do not", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica);
  const yes = (clientRetryCount: number, key = KEY) => {
    const fingerprint = new Uint8Array([1]);
    return turnFor(world, "yes", { key, fingerprint, keyIsGenerated: true, clientRetryCount });
  };
  const first = new Attached(replica, { submit: yes(0) });
  await first.ended;
  const second = new Attached(replica, { submit: yes(1) });
  expect((await second.ended).state).toBe(TurnState.COMPLETED);
  expect(second.turnId).not.toBe(first.turnId);
  await replica.client.reportCutOff({ turnId: first.turnId });
  expect((await replica.client.submitTurn(yes(0))).turnId).not.toBe(first.turnId);
  const elsewhere = await replica.client.submitTurn(yes(1, "agent:main:elsewhere"));
  expect(elsewhere.disposition).toBe(Disposition.STARTED);
  const retry = new Attached(replica, { submit: yes(1) });
  expect((await retry.ended).reply).toEqual((await first.ended).reply);
  expect(retry.turnId).toBe(first.turnId);
  const third = new Attached(replica, { submit: yes(1) });
  await third.ended;
  expect(third.turnId).not.toBe(first.turnId);
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

test.concurrent("every line about a turn carries the fields by which it is found", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica);
  const origin = { source: "slack", rawKey: "hi", peer: { channel: "slack", accountId: "T1" } };
  const attached = new Attached(
    replica,
    { submit: turnFor(world, "one", { origin }) },
    { requestId: "req-7" },
  );
  await attached.ended;
  const line = await eventually(() => replica.log.lines.find(({ msg }) => msg === "run ended"));
  expect(line).toMatchObject({
    tenant: TENANT,
    principal: "p1",
    channel: "slack",
    account: "T1",
    raw_key: "hi",
    session_key: KEY,
    turn_id: attached.turnId,
    request_id: "req-7",
    generation: 1,
  });
  expect(line["run_id"]).toBeTruthy();
  expect(replica.log.lines.find(({ msg }) => msg === "turn accepted")).toMatchObject({
    disposition: "started",
  });
});

test.concurrent("who asked for a turn's cancelling stands in the log, beside whose turn it was", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica);
  const held = gate();
  world.model.behaviour = heldAnswer(held.opened);
  const active = new Attached(replica, { submit: turnFor(world, "one") });
  await eventually(() => active.kinds.includes("textDelta"));
  const waiting = new Attached(replica, { submit: turnFor(world, "two") });
  await eventually(() => waiting.kinds.includes("queued"));
  const note = "stuck, ticket 7";
  for (const turnId of [waiting.turnId, active.turnId]) {
    const by = { principal: "operator", requestId: "req-8" };
    await replica.client.cancelTurn({ turnId, note }, by);
  }
  const lines = replica.log.lines.filter(({ msg }) => msg === "cancelling was asked for");
  const asked = { principal: "p1", cancelled_by: "operator", cancel_request_id: "req-8", note };
  expect(lines).toMatchObject([
    { ...asked, turn_id: waiting.turnId, state: "CANCELLED" },
    { ...asked, turn_id: active.turnId },
  ]);
});
