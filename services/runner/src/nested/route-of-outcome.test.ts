import { Disposition, TurnState } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { eventually } from "@lanekeeper/testing";
import { expect, test } from "vitest";
import { textOf } from "../domain/message-text.ts";
import { type Behaviour, end, toolCall } from "../testing/model-double.ts";
import { applyMain, Attached, KEY, turnFor } from "../testing/requests.ts";
import { answers, deliverTo, lastSaid, parentOf, replyOf, turnsOf } from "../testing/subagents.ts";
import type { World } from "../testing/world.ts";
import { testWorlds } from "../testing/test-worlds.ts";

const worlds = testWorlds();

const TOOLS = { tools: ["sessions_spawn"] };

/** What delivery was given for people, as route and text. */
function toPeople({ delivery }: World): readonly string[] {
  const toParents = new Set([...delivery.routes.values()].map(({ routeId }) => routeId));
  return delivery.taken
    .filter(({ routeId }) => !toParents.has(routeId))
    .map(({ routeId, text }) => `${routeId}: ${text.slice(0, 19)}`);
}

test.concurrent("what a session says to its subagent's answer goes where the answer that spawned it went", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica, TOOLS);
  deliverTo(world, replica);
  world.delivery.listed.set(KEY, [{ routeId: "other", isDefault: true }]);
  world.model.behaviour = parentOf(answers, false);
  await new Attached(replica, { submit: turnFor(world, "spawn task", { routeId: "room" }) }).ended;
  await eventually(() => toPeople(world).length === 2);
  expect(toPeople(world)).toEqual(['room: heard: result {"ses', "room: heard: The subagent"]);
});

test.concurrent.each([
  ["the default one", [{ routeId: "one" }, { routeId: "two", isDefault: true }], ["two"]],
  ["the only one", [{ routeId: "one" }], ["one"]],
  ["none of several", [{ routeId: "one" }, { routeId: "two" }], []],
])("where nothing was said of a route, it goes by the session's: %s", async (_what, routes, to) => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica, TOOLS);
  deliverTo(world, replica);
  world.delivery.listed.set(KEY, routes);
  world.model.behaviour = parentOf(answers, false);
  await new Attached(replica, { submit: turnFor(world, "spawn task") }).ended;
  await eventually(async () => (await replyOf(replica, 1)) !== "");
  await eventually(() => toPeople(world).length === to.length);
  expect(toPeople(world)).toEqual(to.map((routeId) => `${routeId}: heard: The subagent`));
});

test.concurrent("so does what it says where its subagent was reset before the answer came, and it hears of that once", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica, TOOLS);
  const { submit } = deliverTo(world, replica);
  // What delivery has does not go out any more.
  world.delivery.onToParent = undefined;
  world.model.behaviour = parentOf(answers, false);
  await new Attached(replica, { submit: turnFor(world, "spawn task", { routeId: "room" }) }).ended;
  const [childKey = ""] = [...world.delivery.routes.keys()];
  await eventually(() => world.delivery.taken.some(({ text }) => text === "42"));
  const [child] = await turnsOf(replica, childKey);
  const withheld = { turnId: child?.turnId ?? "", text: undefined, parentKey: KEY };
  const { turnId } = await submit(withheld);
  expect(await submit(withheld)).toMatchObject({ turnId, disposition: Disposition.JOINED });
  await eventually(() => toPeople(world).length === 2);
  expect(await replyOf(replica, 1)).toBe(
    `heard: The subagent ${childKey} (turn ${child?.turnId}) has answered, and its session was reset before the answer was sent here: the answer does not come.`,
  );
  expect(toPeople(world).at(-1)).toBe("room: heard: The subagent");
  await replica.context.sweeper.sweepOnce();
  expect((await turnsOf(replica, KEY)).length).toBe(2);
});

const OTHER = "agent:main:other";

/** Who is told "send" says hello in the other session; the rest is heard. */
function sends(wait: boolean): Behaviour {
  return async function* (request) {
    const said = lastSaid(request);
    const args = { session_key: OTHER, message: "hello", wait };
    if (said === "send") yield toolCall("c1", "sessions_send", JSON.stringify(args));
    else yield { type: "text", text: `heard: ${said}` };
    yield end();
  };
}

test.concurrent.each([
  ["the default one", false, [{ routeId: "one" }, { routeId: "two", isDefault: true }], ["two"]],
  ["the only one", false, [{ routeId: "one" }], ["one"]],
  ["none of several", false, [{ routeId: "one" }, { routeId: "two" }], []],
  ["none where there is none", false, [], []],
  ["none where the sender waits and has it", true, [{ routeId: "one" }], []],
])(
  "what a session says to another one's message goes by its own route: %s",
  async (_what, wait, routes, to) => {
    await using world = await worlds.start();
    const replica = await world.replica();
    await applyMain(replica, { tools: ["sessions_send"] });
    world.delivery.listed.set(OTHER, routes);
    world.delivery.listed.set(KEY, [{ routeId: "sender", isDefault: true }]);
    world.model.behaviour = sends(wait);
    await new Attached(replica, { submit: turnFor(world, "send") }).ended;
    await eventually(async () => {
      const [turn] = await turnsOf(replica, OTHER);
      return turn?.state === TurnState.COMPLETED;
    });
    await eventually(async () => (await world.db.query("SELECT FROM outbox")).rowCount === 0);
    expect(toPeople(world)).toEqual(to.map((routeId) => `${routeId}: heard: hello`));
  },
);

test.concurrent("a message is not sent while its session's route cannot be asked for, and the agent is told", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica, { tools: ["sessions_send"] });
  world.delivery.isDown = true;
  world.model.behaviour = sends(false);
  const { reply } = await new Attached(replica, { submit: turnFor(world, "send") }).ended;
  expect(reply && textOf(reply)).toContain("heard: result STORE_UNAVAILABLE");
  expect(await turnsOf(replica, OTHER)).toEqual([]);
});

test.concurrent("a subagent that has subagents of its own answers its parent by none of their answers", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica, TOOLS);
  deliverTo(world, replica);
  world.delivery.listed.set(KEY, [{ routeId: "room" }]);
  world.model.behaviour = async function* (request) {
    const said = lastSaid(request);
    // The person's turn spawns a subagent, which spawns another.
    if (said === "go" || said === "task spawn") {
      const task = said === "go" ? "task spawn" : "task";
      yield toolCall("c1", "sessions_spawn", JSON.stringify({ task }));
      yield end("tool_calls");
    } else {
      yield { type: "text", text: `heard: ${said}` };
      yield end();
    }
  };
  await new Attached(replica, { submit: turnFor(world, "go") }).ended;
  await eventually(() => world.delivery.taken.length === 3);
  const [childKey] = [...world.delivery.routes.keys()];
  await eventually(async () => {
    const turns = await turnsOf(replica, childKey ?? "");
    return turns.length === 2 && turns.every(({ state }) => state === TurnState.COMPLETED);
  });
  await replica.context.sweeper.sweepOnce();
  expect(world.delivery.taken.length).toBe(3);
  expect(toPeople(world).length).toBe(1);
});
