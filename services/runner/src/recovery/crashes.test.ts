import { RunOutcome } from "@lanekeeper/protocol/lanekeeper/identity/v1/session";
import { OnConflict, TurnState } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { eventually } from "@lanekeeper/testing";
import { expect, test } from "vitest";
import { textOf } from "../domain/message-text.ts";
import { stateCode } from "../domain/turn-state.ts";
import { ModelError } from "../models/model-error.ts";
import { gate } from "../testing/gate.ts";
import { heldAnswer } from "../testing/model-double.ts";
import { applyMain, Attached, KEY, TENANT, turnFor } from "../testing/requests.ts";
import type { Replica, World } from "../testing/world.ts";
import { testWorlds } from "../testing/test-worlds.ts";

const worlds = testWorlds();

const never = new Promise<void>(() => undefined);

async function transcript(replica: Replica) {
  const { messages } = await replica.client.listMessages({
    session: { case: "sessionKey", value: KEY },
  });
  return messages.map(({ message }) => (message === undefined ? "" : textOf(message)));
}

/** A turn whose model has begun to answer, and never ends. */
async function heldTurn(world: World, replica: Replica): Promise<Attached> {
  world.model.behaviour = heldAnswer(never);
  const attached = new Attached(replica, { submit: turnFor(world, "one") });
  await eventually(() => attached.kinds.includes("textDelta"));
  return attached;
}

async function turnOf(replica: Replica, turnId: string) {
  const { turn } = await replica.client.getTurn({ turnId });
  if (turn === undefined) throw new Error("no turn");
  return turn;
}

test.concurrent("a turn whose run died is run again by another replica, and its reader told to start over", async () => {
  await using world = await worlds.start();
  const a = await world.replica();
  const b = await world.replica();
  await applyMain(a);
  world.model.behaviour = heldAnswer(never);
  const lost = new Attached(a, { submit: turnFor(world, "one") });
  await eventually(() => lost.kinds.includes("textDelta"));
  const reader = new Attached(b, { turnId: lost.turnId });
  await eventually(() => reader.text === "he");
  const open = gate();
  open.open();
  world.model.behaviour = heldAnswer(open.opened, "here");
  a.kill();
  // Of the run that died it has seen all: what it is told is the run that commits, from its beginning.
  const afterStreamSeq = reader.events.at(-1)?.streamSeq ?? 0n;
  const resumed = new Attached(b, { turnId: lost.turnId }, { afterStreamSeq });
  await eventually(() => resumed.kinds.includes("accepted"));
  await world.expireLeases();
  expect((await reader.ended).state).toBe(TurnState.COMPLETED);
  expect((await resumed.ended).state).toBe(TurnState.COMPLETED);
  expect(resumed.text).toBe("here");
  expect(resumed.kinds.slice(0, 2)).toEqual(["accepted", "runBegun"]);
  const begun = reader.events.flatMap(({ event }) =>
    event.case === "runBegun" ? [event.value] : [],
  );
  expect(begun.map(({ discardPrevious }) => discardPrevious)).toEqual([false, true]);
  const numbers = reader.events.map(({ streamSeq }) => streamSeq).filter((seq) => seq > 0n);
  expect(numbers).toEqual([...new Set(numbers)].toSorted((x, y) => (x < y ? -1 : 1)));
  expect(await transcript(b)).toEqual(["one", "here"]);
  expect((await turnOf(b, lost.turnId)).runs.length).toBe(2);
});

test.concurrent("a crash between the accepted ending and its commit is finished without asking the model again", async () => {
  await using world = await worlds.start();
  let first: Replica | undefined;
  const afterWrite = (event: string | undefined): void => {
    if (event === "ended") first?.kill();
  };
  first = await world.replica({ hooks: { afterWrite } });
  const other = await world.replica();
  await applyMain(first);
  const { turnId } = await first.client.submitTurn(turnFor(world, "one"));
  await eventually(() => first.isDead);
  await world.expireLeases();
  const reader = new Attached(other, { turnId });
  const ended = await reader.ended;
  expect(ended.state).toBe(TurnState.COMPLETED);
  expect(ended.reply && textOf(ended.reply)).toBe("echo: one");
  expect(world.model.asked.length).toBe(1);
  expect(world.identity.endings.length).toBe(1);
  expect(await transcript(other)).toEqual(["one", "echo: one"]);
  expect((await turnOf(other, turnId)).runs.length).toBe(1);
});

test.concurrent("a crash before the ending was sent repeats the stored ending", async () => {
  await using world = await worlds.start();
  let first: Replica | undefined;
  const beforeWrite = (event: string | undefined): void => {
    if (event === "ended") first?.kill();
  };
  first = await world.replica({ hooks: { beforeWrite } });
  const other = await world.replica();
  await applyMain(first);
  const { turnId } = await first.client.submitTurn(turnFor(world, "one"));
  await eventually(() => first.isDead);
  await world.expireLeases();
  expect((await new Attached(other, { turnId }).ended).state).toBe(TurnState.COMPLETED);
  expect(world.model.asked.length).toBe(1);
  expect(await transcript(other)).toEqual(["one", "echo: one"]);
});

test.concurrent("an interrupt that comes while a dead run's ending is stored, which is then refused, does not wait for the turn's next run", async () => {
  await using world = await worlds.start();
  const doomed = await world.replica({ dieAt: "after runner_prepare" });
  const other = await world.replica();
  await applyMain(other);
  const { turnId } = await doomed.client.submitTurn(turnFor(world, "one"));
  await eventually(() => doomed.isDead);
  world.identity.takeAway(TENANT, KEY);
  const echo = world.model.behaviour;
  world.model.behaviour = (request) => {
    const last = request.messages.at(-1);
    const isOne = last !== undefined && textOf(last) === "one";
    return isOne ? heldAnswer(never)(request) : echo(request);
  };
  const submit = turnFor(world, "now", { onConflict: OnConflict.INTERRUPT });
  const now = new Attached(other, { submit });
  await eventually(() => now.kinds.includes("accepted"));
  await world.expireLeases();
  expect((await now.ended).state).toBe(TurnState.COMPLETED);
  expect((await turnOf(other, turnId)).state).toBe(TurnState.INTERRUPTED);
  expect(await transcript(other)).toEqual(["one", "now", "echo: now"]);
});

test.concurrent("a rollback that comes after the turn's ending was stored discards nothing of it", async () => {
  await using world = await worlds.start();
  const doomed = await world.replica({ dieAt: "after runner_prepare" });
  const other = await world.replica();
  await applyMain(other);
  const { turnId } = await doomed.client.submitTurn(turnFor(world, "one"));
  await eventually(() => doomed.isDead);
  const submit = turnFor(world, "two", { onConflict: OnConflict.ROLLBACK });
  const second = new Attached(other, { submit });
  await eventually(() => second.kinds.includes("accepted"));
  await world.expireLeases();
  expect((await second.ended).state).toBe(TurnState.COMPLETED);
  expect((await turnOf(other, turnId)).state).toBe(TurnState.COMPLETED);
  expect(await transcript(other)).toEqual(["one", "echo: one", "two", "echo: two"]);
});

test.concurrent("a reset under a run ends its turn as superseded, and the next one runs in the new generation", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica);
  world.model.behaviour = heldAnswer(never);
  const first = new Attached(replica, { submit: turnFor(world, "one") });
  await eventually(() => first.kinds.includes("textDelta"));
  const second = new Attached(replica, { submit: turnFor(world, "two") });
  await eventually(() => second.kinds.includes("queued"));
  const open = gate();
  open.open();
  world.model.behaviour = heldAnswer(open.opened, "here");
  const now = world.identity.rotate(TENANT, KEY);
  expect(await first.ended).toMatchObject({
    state: TurnState.SUPERSEDED,
    errorReason: "SUPERSEDED",
  });
  const ended = await second.ended;
  expect(ended.state).toBe(TurnState.COMPLETED);
  expect(ended.session?.generation).toBe(now.generation);
  expect(await transcript(replica)).toEqual(["two", "here"]);
  expect(world.model.shown(1)).toEqual(["user: two"]);
});

test.concurrent("queued turns that a rotation skips end as skipped", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica);
  world.model.behaviour = heldAnswer(never);
  const first = new Attached(replica, { submit: turnFor(world, "one") });
  await eventually(() => first.kinds.includes("textDelta"));
  const second = new Attached(replica, { submit: turnFor(world, "two") });
  await eventually(() => second.kinds.includes("queued"));
  world.identity.rotate(TENANT, KEY, { skipsQueued: true });
  expect((await first.ended).state).toBe(TurnState.SUPERSEDED);
  expect(await second.ended).toMatchObject({
    state: TurnState.SKIPPED,
    errorReason: "TURN_SKIPPED",
  });
});

test.concurrent("a rotated run that died is ended as superseded by another replica", async () => {
  await using world = await worlds.start();
  const a = await world.replica();
  const b = await world.replica();
  await applyMain(a);
  world.model.behaviour = heldAnswer(never);
  const first = new Attached(a, { submit: turnFor(world, "one") });
  await eventually(() => first.kinds.includes("textDelta"));
  a.kill();
  await world.expireLeases();
  world.identity.rotate(TENANT, KEY);
  const reader = new Attached(b, { turnId: first.turnId });
  expect((await reader.ended).state).toBe(TurnState.SUPERSEDED);
  const { lane } = await b.client.getLane({ sessionKey: KEY });
  expect(lane).toMatchObject({ depth: 0 });
  expect(lane?.activeTurn).toBeUndefined();
});

test.concurrent("who waits behind a dead run that was rotated away does not wait for its lease", async () => {
  await using world = await worlds.start();
  const a = await world.replica();
  const b = await world.replica();
  await applyMain(a);
  world.model.behaviour = heldAnswer(never);
  const first = new Attached(a, { submit: turnFor(world, "one") });
  await eventually(() => first.kinds.includes("textDelta"));
  const second = new Attached(b, { submit: turnFor(world, "two") });
  await eventually(() => second.kinds.includes("queued"));
  a.kill();
  const open = gate();
  open.open();
  world.model.behaviour = heldAnswer(open.opened);
  world.identity.rotate(TENANT, KEY);
  expect((await second.ended).state).toBe(TurnState.COMPLETED);
  expect((await turnOf(b, first.turnId)).state).toBe(TurnState.SUPERSEDED);
});

test.concurrent("a turn without a session fails with the process that ran it", async () => {
  await using world = await worlds.start();
  const a = await world.replica();
  const b = await world.replica();
  await applyMain(a);
  world.model.behaviour = heldAnswer(never);
  const target = { case: "statelessAgentId" as const, value: "main" };
  const lost = new Attached(a, { submit: turnFor(world, "one", { target }) });
  await eventually(() => lost.kinds.includes("textDelta"));
  a.kill();
  await world.expireLeases();
  const reader = new Attached(b, { turnId: lost.turnId });
  expect(await reader.ended).toMatchObject({ state: TurnState.FAILED, errorReason: "INTERNAL" });
});

test.concurrent("a process that was taken for dead tells nobody an answer of a turn without a session that has failed", async () => {
  await using world = await worlds.start();
  const a = await world.replica();
  const b = await world.replica();
  await applyMain(a);
  const held = gate();
  world.model.behaviour = heldAnswer(held.opened);
  const target = { case: "statelessAgentId" as const, value: "main" };
  const attached = new Attached(a, { submit: turnFor(world, "one", { target }) });
  await eventually(() => attached.kinds.includes("textDelta"));
  await world.expireLeases();
  await b.context.sweeper.sweepOnce();
  held.open();
  expect(await attached.ended).toMatchObject({ state: TurnState.FAILED, errorReason: "INTERNAL" });
  expect((await turnOf(b, attached.turnId)).state).toBe(TurnState.FAILED);
});

test.concurrent.each(["MODEL_FAILED", "MODEL_STREAM_CUT", "MODEL_TIMEOUT"] as const)(
  "%s ends the turn and frees its lane",
  async (reason) => {
    await using world = await worlds.start();
    const replica = await world.replica();
    await applyMain(replica);
    // oxlint-disable-next-line require-yield
    world.model.behaviour = async function* () {
      throw new ModelError(reason, "the model is not well");
    };
    const first = new Attached(replica, { submit: turnFor(world, "one") });
    expect(await first.ended).toMatchObject({ state: TurnState.FAILED, errorReason: reason });
    expect(world.identity.endings.map(({ outcome }) => outcome)).toEqual([RunOutcome.FAILED]);
    const open = gate();
    open.open();
    world.model.behaviour = heldAnswer(open.opened);
    expect((await new Attached(replica, { submit: turnFor(world, "two") }).ended).state).toBe(
      TurnState.COMPLETED,
    );
    expect(await transcript(replica)).toEqual(["one", "two", "held"]);
  },
);

test.concurrent("while session-identity is away a run goes on as long as its lease lives", async () => {
  await using world = await worlds.start();
  const replica = await world.replica({ leaseMs: 10_000 });
  await applyMain(replica);
  const held = gate();
  world.model.behaviour = heldAnswer(held.opened);
  const attached = new Attached(replica, { submit: turnFor(world, "one") });
  await eventually(() => attached.kinds.includes("textDelta"));
  world.identity.isDown = true;
  held.open();
  await eventually(async () => (await turnOf(replica, attached.turnId)).state === TurnState.ACTIVE);
  world.identity.isDown = false;
  expect((await attached.ended).state).toBe(TurnState.COMPLETED);
  expect(world.model.asked.length).toBe(1);
});

test.concurrent("a run whose lease ran out unseen goes back to its queue and is attempted again", async () => {
  await using world = await worlds.start();
  const replica = await world.replica({ leaseMs: 900 });
  await applyMain(replica);
  const attached = await heldTurn(world, replica);
  world.identity.isDown = true;
  await eventually(async () => (await turnOf(replica, attached.turnId)).state === TurnState.QUEUED);
  const open = gate();
  open.open();
  world.model.behaviour = heldAnswer(open.opened, "here");
  world.identity.isDown = false;
  expect((await attached.ended).state).toBe(TurnState.COMPLETED);
  expect(await transcript(replica)).toEqual(["one", "here"]);
});

test.concurrent("a drained replica gives its turns back and another one answers them", async () => {
  await using world = await worlds.start();
  const a = await world.replica();
  const b = await world.replica();
  await applyMain(a);
  const attached = await heldTurn(world, a);
  const open = gate();
  open.open();
  world.model.behaviour = heldAnswer(open.opened, "here");
  const timeUp = new AbortController();
  const drained = a.drain(timeUp.signal);
  timeUp.abort();
  await drained;
  const reader = new Attached(b, { turnId: attached.turnId });
  expect((await reader.ended).state).toBe(TurnState.COMPLETED);
  expect(world.identity.endings.map(({ outcome }) => outcome)).toEqual([
    RunOutcome.REQUEUED,
    RunOutcome.COMPLETED,
  ]);
});

test.concurrent("a run whose activation the database lost when it died gives its turn back too, and it is answered", async () => {
  await using world = await worlds.start();
  const a = await world.replica();
  const b = await world.replica();
  await applyMain(a);
  const attached = await heldTurn(world, a);
  const { turnId } = attached;
  // Nobody waits for that write to reach the disk.
  await world.db.transaction(async (sql) => {
    const claim = "UPDATE turns SET state = $2, run_count = 0 WHERE turn_id = $1";
    await sql.query(claim, [turnId, stateCode("QUEUED")]);
    await sql.query("DELETE FROM runs WHERE turn_id = $1", [turnId]);
  });
  const open = gate();
  open.open();
  world.model.behaviour = heldAnswer(open.opened, "here");
  const timeUp = new AbortController();
  const drained = a.drain(timeUp.signal);
  timeUp.abort();
  await drained;
  expect(await new Attached(b, { turnId }).ended).toMatchObject({ state: TurnState.COMPLETED });
  expect(await transcript(b)).toEqual(["one", "here"]);
});

test.concurrent("two replicas on one database never run two turns of a lane at once", async () => {
  await using world = await worlds.start();
  const replicas = [await world.replica(), await world.replica()];
  const [a, b] = replicas as [Replica, Replica];
  await applyMain(a);
  const running = new Map<string, number>();
  let most = 0;
  world.model.behaviour = async function* ({ messages }) {
    const last = messages.at(-1);
    const lane = (last === undefined ? "" : textOf(last)).split(" ")[0] ?? "";
    running.set(lane, (running.get(lane) ?? 0) + 1);
    most = Math.max(most, running.get(lane) ?? 0);
    yield { type: "text", text: "ok" };
    await new Promise((resolve) => setImmediate(resolve));
    running.set(lane, (running.get(lane) ?? 0) - 1);
    yield { type: "end", finishReason: "stop", inputTokens: 1, outputTokens: 1, model: "double" };
  };
  const keys = ["agent:main:l1", "agent:main:l2", "agent:main:l3"];
  const attached = Array.from({ length: 45 }, (_, index) => {
    const key = keys[index % 3] ?? KEY;
    const submit = turnFor(world, `${key} ${index}`, { key });
    return new Attached(index % 2 === 0 ? a : b, { submit });
  });
  const ended = await Promise.all(attached.map((one) => one.ended));
  expect(ended.every(({ state }) => state === TurnState.COMPLETED)).toBe(true);
  expect(most).toBe(1);
  for (const key of keys) {
    const { messages } = await a.client.listMessages({
      session: { case: "sessionKey", value: key },
      pageSize: 500,
    });
    expect(messages.length).toBe(30);
    const { turns } = await a.client.listTurns({ sessionKey: key });
    const bySeq = turns
      .toSorted((x, y) => (x.laneSeq < y.laneSeq ? -1 : 1))
      .map(({ turnId }) => turnId);
    expect(messages.filter((_, index) => index % 2 === 0).map(({ turnId }) => turnId)).toEqual(
      bySeq,
    );
  }
});
