import { OnConflict, TurnState } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { eventually } from "@lanekeeper/testing";
import { expect, test } from "vitest";
import { gate } from "../testing/gate.ts";
import { heldAnswer } from "../testing/model-double.ts";
import { applyMain, Attached, KEY, TENANT, turnFor } from "../testing/requests.ts";
import { testWorlds } from "../testing/test-worlds.ts";
import type { World } from "../testing/world.ts";

const worlds = testWorlds();

/** The key with the id and generation of another key's session. */
function foreign({ identity }: World) {
  const other = identity.ref(TENANT, "agent:main:other");
  return { case: "session" as const, value: { ...other, sessionKey: KEY } };
}

async function saidOf(world: World): Promise<number> {
  return (await world.db.query("SELECT FROM messages")).rowCount;
}

test.concurrent("a turn that names the session of another key ends so, without a run, and leaves nothing in either", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica);
  const ended = await new Attached(replica, {
    submit: turnFor(world, "hello", { target: foreign(world) }),
  }).ended;
  expect(ended).toMatchObject({ state: TurnState.FAILED, errorReason: "GENERATION_MISMATCH" });
  expect(world.identity.granted).toEqual([]);
  expect(await saidOf(world)).toBe(0);
  // Of a generation that the key never had, too.
  world.identity.rotate(TENANT, "agent:main:other");
  const later = await new Attached(replica, {
    submit: turnFor(world, "hello", { target: foreign(world) }),
  }).ended;
  expect(later).toMatchObject({ state: TurnState.FAILED, errorReason: "GENERATION_MISMATCH" });
  expect(world.identity.granted).toEqual([]);
});

test.concurrent.each(["STEER", "COALESCE"] as const)(
  "nor does it come into the conversation by another turn: %s",
  async (name) => {
    await using world = await worlds.start();
    const replica = await world.replica();
    await applyMain(replica);
    const held = gate();
    world.model.behaviour = heldAnswer(held.opened);
    const first = new Attached(replica, { submit: turnFor(world, "one") });
    await eventually(() => first.kinds.includes("textDelta"));
    const onConflict = OnConflict[name];
    const waits = new Attached(replica, {
      submit: turnFor(world, "two", { onConflict: OnConflict.ENQUEUE }),
    });
    await eventually(() => waits.turnId !== "");
    const joins = new Attached(replica, {
      submit: turnFor(world, "not here", { target: foreign(world), onConflict }),
    });
    await eventually(() => joins.turnId !== "");
    held.open();
    await Promise.all([first.ended, waits.ended]);
    expect(await joins.ended).toMatchObject({
      state: TurnState.FAILED,
      errorReason: "GENERATION_MISMATCH",
    });
    expect(world.identity.granted.length).toBe(2);
    expect(await saidOf(world)).toBe(4);
  },
);
