import { setTimeout as sleep } from "node:timers/promises";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { OnConflict, TurnState } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { eventually } from "@lanekeeper/testing";
import { expect, test, vi } from "vitest";
import { textOf } from "../domain/message-text.ts";
import { gate } from "../testing/gate.ts";
import { echo, end, heldAnswer, type Behaviour } from "../testing/model-double.ts";
import { transcript } from "../testing/reading.ts";
import { endless } from "../testing/held-turn.ts";
import { applyMain, Attached, KEY, turnFor } from "../testing/requests.ts";
import type { Replica } from "../testing/world.ts";
import { testWorlds } from "../testing/test-worlds.ts";

// Postgres, gRPC and several replicas on a machine that has other work too.
vi.setConfig({ testTimeout: 30_000 });

const worlds = testWorlds();

const ALBUM = { origin: { source: "telegram", groupId: "album-1" } };

const SLOW = { origin: { ...ALBUM.origin, groupQuiet: durationFromMs(6_000) } };

/** Ends once the test lets it, however it is asked to stop. */
function stubbornAnswer(opened: Promise<void>): Behaviour {
  return async function* ({ signal }) {
    yield { type: "text", text: "he" };
    await opened;
    signal.throwIfAborted();
    yield end();
  };
}

async function stateOf(replica: Replica, turnId: string) {
  const { turn } = await replica.client.getTurn({ turnId });
  return turn?.state;
}

async function depthOf(replica: Replica) {
  const { lane } = await replica.client.getLane({ sessionKey: KEY });
  return lane?.depth;
}

test.concurrent("turns of one group that come apart are answered together, once, and each of its callers hears it", async () => {
  await using world = await worlds.start();
  const [a, b] = [await world.replica(), await world.replica()];
  await applyMain(a);
  const attached: Attached[] = [];
  for (const [index, text] of ["photo 1", "photo 2", "photo 3"].entries()) {
    const at = index === 1 ? b : a;
    const one = new Attached(at, { submit: turnFor(world, text, ALBUM) });
    await eventually(() => one.kinds.includes("accepted"));
    attached.push(one);
  }
  const ends = await Promise.all(attached.map(({ ended }) => ended));
  const [host] = attached;
  expect(ends.map(({ state }) => state)).toEqual(Array(3).fill(TurnState.COMPLETED));
  expect(ends.map(({ intoTurnId }) => intoTurnId)).toEqual(["", host?.turnId, host?.turnId]);
  expect(new Set(ends.map(({ reply }) => reply && textOf(reply))).size).toBe(1);
  expect(world.model.asked).toHaveLength(1);
  expect(world.model.shown(0)).toEqual(["user: photo 1", "user: photo 2", "user: photo 3"]);
  expect((await transcript(a)).slice(0, 3)).toEqual(["photo 1", "photo 2", "photo 3"]);
  expect(await transcript(a)).toHaveLength(4);
  expect(await stateOf(a, attached[2]?.turnId ?? "")).toBe(TurnState.COALESCED);
  expect(await depthOf(a)).toBe(0);
});

test.concurrent("what says that the next of its group may take longer is waited for as long, and so are those behind it", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica);
  // Several times the usual second apart, and far less than what each says.
  const first = new Attached(replica, { submit: turnFor(world, "photo 1", SLOW) });
  await eventually(() => first.kinds.includes("accepted"));
  for (const [text, more] of [
    ["photo 2", ALBUM],
    ["photo 3", SLOW],
  ] as const) {
    await sleep(2_000);
    await replica.client.submitTurn(turnFor(world, text, more));
  }
  expect((await first.ended).state).toBe(TurnState.COMPLETED);
  expect(world.model.asked).toHaveLength(1);
  expect(world.model.shown(0)).toEqual(["user: photo 1", "user: photo 2", "user: photo 3"]);
});

test.concurrent("who joined a turn that a group takes in is told the turn that answers in the end", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica);
  const attached: Attached[] = [];
  for (const onConflict of [OnConflict.ENQUEUE, OnConflict.ENQUEUE, OnConflict.COALESCE]) {
    // All of them are there before the first has waited enough, on a busy machine too.
    const submit = turnFor(world, `photo ${attached.length + 1}`, { ...SLOW, onConflict });
    const one = new Attached(replica, { submit });
    await eventually(() => one.kinds.includes("accepted"));
    attached.push(one);
  }
  const [host, photo, joined] = attached;
  const { turn } = await replica.client.getTurn({ turnId: joined?.turnId ?? "" });
  expect(turn).toMatchObject({ state: TurnState.COALESCED, intoTurnId: photo?.turnId });
  const ends = await Promise.all(attached.map(({ ended }) => ended));
  expect(ends.map(({ intoTurnId }) => intoTurnId)).toEqual(["", host?.turnId, host?.turnId]);
  expect(world.model.shown(0)).toEqual(["user: photo 1", "user: photo 2", "user: photo 3"]);
});

test.concurrent("a group takes in nothing that waits behind somebody else's message: the order stays", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica);
  const held = gate();
  world.model.behaviour = heldAnswer(held.opened);
  const busy = new Attached(replica, { submit: turnFor(world, "before") });
  await eventually(() => busy.kinds.includes("textDelta"));
  const other = { origin: { source: "telegram", groupId: "album-2" } };
  const waiting = [
    ["photo 1", ALBUM],
    ["photo 2", ALBUM],
    ["what are these?", {}],
    ["photo 3", ALBUM],
    ["another album", other],
  ] as const;
  const turns: string[] = [];
  for (const [text, more] of waiting) {
    turns.push((await replica.client.submitTurn(turnFor(world, text, more))).turnId);
  }
  held.open();
  await new Attached(replica, { turnId: turns[4] ?? "" }).ended;
  const { COMPLETED, COALESCED } = TurnState;
  expect(await Promise.all(turns.map((turnId) => stateOf(replica, turnId)))).toEqual([
    ...[COMPLETED, COALESCED, COMPLETED, COMPLETED, COMPLETED],
  ]);
  const said = await transcript(replica);
  const inputs = ["before", ...waiting.map(([text]) => text)];
  expect(said.filter((text) => inputs.includes(text))).toEqual(inputs);
  expect(said.filter((text) => text === "held")).toHaveLength(5);
  expect(await depthOf(replica)).toBe(0);
});

test.concurrent("a run that dies with a group in hand loses none of it; a turn that is cancelled lets it go", async () => {
  await using world = await worlds.start();
  const [a, b] = [await world.replica(), await world.replica()];
  await applyMain(a);
  world.model.behaviour = endless;
  const host = new Attached(a, { submit: turnFor(world, "photo 1", ALBUM) });
  await eventually(() => host.kinds.includes("accepted"));
  const { turnId } = await a.client.submitTurn(turnFor(world, "photo 2", ALBUM));
  await eventually(() => world.model.asked.length === 1);
  a.kill();
  await world.expireLeases();
  await eventually(() => world.model.asked.length === 2);
  expect(world.model.shown(1)).toEqual(["user: photo 1", "user: photo 2"]);
  const open = gate();
  open.open();
  world.model.behaviour = heldAnswer(open.opened);
  await b.client.cancelTurn({ turnId: host.turnId });
  expect(await new Attached(b, { turnId }).ended).toMatchObject({
    ...{ state: TurnState.COMPLETED, intoTurnId: "" },
  });
  expect(await transcript(b)).toEqual(["photo 1", "photo 2", "held"]);
  expect(await depthOf(b)).toBe(0);
});

test.concurrent("what interrupts does not interrupt its own group", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica, { onConflict: OnConflict.INTERRUPT });
  const first = new Attached(replica, { submit: turnFor(world, "photo 1", ALBUM) });
  await eventually(() => first.kinds.includes("accepted"));
  const second = await replica.client.submitTurn(turnFor(world, "photo 2", ALBUM));
  expect((await first.ended).state).toBe(TurnState.COMPLETED);
  expect(await stateOf(replica, second.turnId)).toBe(TurnState.COALESCED);
  expect(world.model.asked).toHaveLength(1);
});

test.concurrent("what interrupts a group interrupts all of it, also what has not been taken in, and keeps what was said", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica, { onConflict: OnConflict.INTERRUPT });
  world.model.behaviour = endless;
  const host = new Attached(replica, { submit: turnFor(world, "photo 1", ALBUM) });
  await eventually(() => host.kinds.includes("accepted"));
  const submit = async (text: string, more: object = {}) =>
    (await replica.client.submitTurn(turnFor(world, text, more))).turnId;
  const turns = [host.turnId, await submit("photo 2", ALBUM)];
  await eventually(() => host.kinds.includes("textDelta"));
  turns.push(await submit("photo 3", ALBUM));
  world.model.behaviour = echo;
  const other = await submit("never mind");
  await new Attached(replica, { turnId: other }).ended;
  const { INTERRUPTED } = TurnState;
  await eventually(async () => (await depthOf(replica)) === 0);
  expect(await Promise.all(turns.map((turnId) => stateOf(replica, turnId)))).toEqual([
    ...[INTERRUPTED, INTERRUPTED, INTERRUPTED],
  ]);
  expect(world.model.asked).toHaveLength(2);
  const said = (await transcript(replica)).filter((text) => text !== "he");
  expect(said).toEqual(["photo 1", "photo 2", "photo 3", "never mind", "echo: never mind"]);
});

test.concurrent("what interrupts somebody else's turn does not interrupt those of its group that wait with it", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica, { onConflict: OnConflict.INTERRUPT });
  const stopping = gate();
  world.model.behaviour = stubbornAnswer(stopping.opened);
  const busy = new Attached(replica, { submit: turnFor(world, "before") });
  await eventually(() => busy.kinds.includes("textDelta"));
  const turns: string[] = [];
  for (const text of ["photo 1", "photo 2", "photo 3"]) {
    turns.push((await replica.client.submitTurn(turnFor(world, text, ALBUM))).turnId);
  }
  world.model.behaviour = echo;
  stopping.open();
  expect((await busy.ended).state).toBe(TurnState.INTERRUPTED);
  const { COMPLETED, COALESCED } = TurnState;
  await new Attached(replica, { turnId: turns[2] ?? "" }).ended;
  expect(await Promise.all(turns.map((turnId) => stateOf(replica, turnId)))).toEqual([
    ...[COMPLETED, COALESCED, COALESCED],
  ]);
  expect(await transcript(replica)).toEqual([
    ...["before", "photo 1", "photo 2", "photo 3", "echo: photo 3"],
  ]);
  expect(await depthOf(replica)).toBe(0);
});

test.concurrent("who is to be told that the lane is busy is not told so by his own group", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica, { onConflict: OnConflict.REJECT });
  const first = new Attached(replica, { submit: turnFor(world, "photo 1", ALBUM) });
  await eventually(() => first.kinds.includes("accepted"));
  const second = await replica.client.submitTurn(turnFor(world, "photo 2", ALBUM));
  const another = { origin: { source: "telegram", groupId: "album-2" } };
  for (const more of [{}, another]) {
    const other = replica.client.submitTurn(turnFor(world, "and?", more));
    await expect(other).rejects.toMatchObject({ reason: "SESSION_BUSY" });
  }
  expect((await first.ended).state).toBe(TurnState.COMPLETED);
  expect(await stateOf(replica, second.turnId)).toBe(TurnState.COALESCED);
  expect(world.model.asked).toHaveLength(1);
});

test.concurrent("a turn that is cancelled with its group takes along what it has in hand and what waits, of nobody else", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica);
  world.model.behaviour = endless;
  const host = new Attached(replica, { submit: turnFor(world, "photo 1", ALBUM) });
  await eventually(() => host.kinds.includes("accepted"));
  const submit = async (text: string, more: object) =>
    (await replica.client.submitTurn(turnFor(world, text, more))).turnId;
  const taken = await submit("photo 2", ALBUM);
  await eventually(() => host.kinds.includes("textDelta"));
  expect(world.model.shown(0)).toEqual(["user: photo 1", "user: photo 2"]);
  const late = await submit("photo 3", ALBUM);
  const other = await submit("and?", {});
  world.model.behaviour = echo;
  await replica.client.cancelTurn({ turnId: host.turnId, withGroup: true });
  expect((await host.ended).state).toBe(TurnState.CANCELLED);
  await new Attached(replica, { turnId: other }).ended;
  const { CANCELLED, COMPLETED } = TurnState;
  expect(await Promise.all([taken, late, other].map((turnId) => stateOf(replica, turnId)))).toEqual(
    [CANCELLED, CANCELLED, COMPLETED],
  );
  expect(await depthOf(replica)).toBe(0);
  await replica.client.cancelTurn({ turnId: host.turnId, withGroup: true });
  expect(await stateOf(replica, other)).toBe(COMPLETED);
});
