import { OnConflict, TurnState } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { eventually } from "@lanekeeper/testing";
import { expect, test } from "vitest";
import { textOf } from "../domain/message-text.ts";
import { answersAtOnce, endless, heldTurn } from "../testing/held-turn.ts";
import { transcript, turnOf } from "../testing/reading.ts";
import { applyMain, Attached, KEY, TENANT, turnFor } from "../testing/requests.ts";
import type { Replica } from "../testing/world.ts";
import { testWorlds } from "../testing/test-worlds.ts";

const worlds = testWorlds();

test.concurrent("a turn whose run died is run again by another replica, and its reader told to start over", async () => {
  await using world = await worlds.start();
  const a = await world.replica();
  const b = await world.replica();
  await applyMain(a);
  const lost = await heldTurn(world, a);
  const reader = new Attached(b, { turnId: lost.turnId });
  await eventually(() => reader.text === "he");
  world.model.behaviour = answersAtOnce("here");
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
    return isOne ? endless(request) : echo(request);
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
