import { eventually } from "@lanekeeper/testing";
import { expect, test } from "vitest";
import { gate } from "../testing/gate.ts";
import { transcript } from "../testing/reading.ts";
import { applyMain, Attached, TENANT, turnFor } from "../testing/requests.ts";
import { testWorlds } from "../testing/test-worlds.ts";
import type { Replica, World } from "../testing/world.ts";

const worlds = testWorlds();
const [YOUNG, OLDER, OLDEST] = ["agent:main:young", "agent:main:older", "agent:main:oldest"];

async function say(world: World, replica: Replica, key: string, ...texts: string[]): Promise<void> {
  for (const text of texts) {
    await new Attached(replica, { submit: turnFor(world, text, { key }) }).ended;
  }
}

const said = (...texts: string[]) => texts.flatMap((text) => [text, `echo: ${text}`]);

/** What the model was shown in its last call, but for the roles. */
const lastShown = ({ model }: World) =>
  model.shown(model.asked.length - 1).map((text) => text.replace(/^\w+: /, ""));

test.concurrent("what was said in a young session that is merged is told in the survivor's transcript, once", async () => {
  await using world = await worlds.start();
  const [here, there] = [await world.replica(), await world.replica()];
  await applyMain(here);
  await say(world, here, OLDER, "a");
  await say(world, here, YOUNG, "b", "c");
  world.identity.absorb(TENANT, YOUNG, OLDER);
  await eventually(async () => (await transcript(here, OLDER)).length === 6);
  expect(await transcript(here, OLDER)).toEqual(said("a", "b", "c"));
  for (const replica of [there, here]) await say(world, replica, OLDER, replica.name);
  expect(lastShown(world)).toEqual([...said("a", "b", "c", there.name), here.name]);
  expect(await transcript(here, YOUNG)).toEqual(said("b", "c"));
});

test.concurrent("a run is shown it where nobody had heard of the merge", async () => {
  await using world = await worlds.start();
  const before = await world.replica();
  await applyMain(before);
  await say(world, before, YOUNG, "b");
  // A session in which nothing was said yet, and that the runner does not know.
  world.identity.absorb(TENANT, YOUNG, OLDER, false);
  before.kill();
  const replica = await world.replica();
  await say(world, replica, OLDER, "now");
  expect(lastShown(world)).toEqual([...said("b"), "now"]);
  expect(await transcript(replica, OLDER)).toEqual(said("b", "now"));
});

test.concurrent("a session brings along what it has absorbed itself", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica);
  await say(world, replica, OLDEST, "a");
  await say(world, replica, OLDER, "b");
  await say(world, replica, YOUNG, "c");
  world.identity.absorb(TENANT, YOUNG, OLDER, false);
  world.identity.absorb(TENANT, OLDER, OLDEST, false);
  await say(world, replica, OLDEST, "now");
  expect(lastShown(world)).toEqual([...said("a", "b", "c"), "now"]);
});

test.concurrent("a turn that ends after its key was merged is appended before the survivor's next run", async () => {
  await using world = await worlds.start();
  const held = gate();
  let isHeld = false;
  const slow = await world.replica({
    beforeStatement: async (name) => {
      if (!isHeld || !name.startsWith("runner_finish")) return;
      await held.opened;
    },
  });
  await applyMain(slow);
  const replica = await world.replica();
  await say(world, replica, YOUNG, "b");
  isHeld = true;
  const ending = new Attached(slow, { submit: turnFor(world, "c", { key: YOUNG }) });
  await eventually(() => world.identity.endings.length === 2);
  world.identity.absorb(TENANT, YOUNG, OLDER);
  await say(world, replica, OLDER, "first");
  expect(lastShown(world)).toEqual([...said("b"), "first"]);
  held.open();
  await ending.ended;
  await say(world, replica, OLDER, "second");
  expect(lastShown(world)).toEqual([...said("b", "first", "c"), "second"]);
});

test.concurrent("a survivor that was reset meanwhile has it in the session that was merged with", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica);
  await say(world, replica, OLDER, "a");
  await say(world, replica, YOUNG, "b");
  world.identity.absorb(TENANT, YOUNG, OLDER, false);
  world.identity.rotate(TENANT, OLDER);
  await say(world, replica, OLDER, "now");
  expect(lastShown(world)).toEqual(["now"]);
  expect(await transcript(replica, OLDER)).toEqual(said("a", "b", "now"));
});

test.concurrent("a merge that an operator made leaves the transcripts apart", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica);
  await say(world, replica, OLDER, "a");
  await say(world, replica, YOUNG, "b");
  world.identity.move(TENANT, YOUNG, OLDER);
  await say(world, replica, OLDER, "now");
  expect(lastShown(world)).toEqual([...said("a"), "now"]);
});
