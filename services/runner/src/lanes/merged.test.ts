import { TurnState } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { eventually } from "@lanekeeper/testing";
import { expect, test } from "vitest";
import { gate } from "../testing/gate.ts";
import { heldAnswer } from "../testing/model-double.ts";
import { applyMain, Attached, TENANT, turnFor } from "../testing/requests.ts";
import { testWorlds } from "../testing/test-worlds.ts";
import { transcript } from "../testing/reading.ts";

const worlds = testWorlds();

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
  expect((await transcript(replica, survivor)).filter((text) => text !== "held")).toEqual([
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
    expect(await transcript(replica, survivor)).toEqual(moved);
    const { lane } = await replica.client.getLane({ sessionKey: loser });
    expect(lane?.depth).toBe(0);
    expect(lane?.activeTurn).toBeUndefined();
  },
);
