import { Role } from "@lanekeeper/protocol/lanekeeper/runner/v1/message";
import { OnConflict, TurnState } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { eventually } from "@lanekeeper/testing";
import { expect, test } from "vitest";
import { gate } from "../testing/gate.ts";
import { echo, heldAnswer } from "../testing/model-double.ts";
import { transcript } from "../testing/reading.ts";
import { applyMain, Attached, said, turnFor, user } from "../testing/requests.ts";
import type { World } from "../testing/world.ts";
import { testWorlds } from "../testing/test-worlds.ts";

const worlds = testWorlds();

const INTERRUPT = { onConflict: OnConflict.INTERRUPT };

/** The first request of a session, by a client that has talked elsewhere before. */
const withHistory = (world: World) =>
  turnFor(world, "now", { messages: [user("a"), said(Role.ASSISTANT, "A"), user("now")] });

test.concurrent("a turn that is interrupted before it has begun leaves the history that it brought", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica);
  const granted = gate();
  world.identity.beforeBeginAnswer = () => granted.opened;
  const first = new Attached(replica, { submit: withHistory(world) });
  await eventually(() => world.identity.granted.length === 1);
  const next = new Attached(replica, { submit: turnFor(world, "next", INTERRUPT) });
  await eventually(() => next.kinds.includes("accepted"));
  granted.open();
  expect((await first.ended).state).toBe(TurnState.INTERRUPTED);
  await next.ended;
  expect(await transcript(replica)).toEqual(["a", "A", "now", "next", "echo: next"]);
});

test.concurrent("so does one whose process died before it was interrupted", async () => {
  await using world = await worlds.start();
  const [a, b] = [await world.replica(), await world.replica()];
  await applyMain(a);
  world.model.behaviour = heldAnswer(new Promise(() => undefined));
  const first = new Attached(a, { submit: withHistory(world) });
  await eventually(() => first.kinds.includes("textDelta"));
  world.model.behaviour = echo;
  a.kill();
  const next = new Attached(b, { submit: turnFor(world, "next", INTERRUPT) });
  await eventually(() => next.kinds.includes("accepted"));
  await world.expireLeases();
  await next.ended;
  expect(await transcript(b)).toEqual(["a", "A", "now", "next", "echo: next"]);
});

test.concurrent("and one whose agent could not be made ready", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica);
  world.toolsReady = Promise.reject(new Error("no tools"));
  world.toolsReady.catch(() => undefined);
  const first = await new Attached(replica, { submit: withHistory(world) }).ended;
  expect(first.state).toBe(TurnState.FAILED);
  world.toolsReady = Promise.resolve();
  await new Attached(replica, { submit: turnFor(world, "next") }).ended;
  expect(await transcript(replica)).toEqual(["a", "A", "now", "next", "echo: next"]);
});
