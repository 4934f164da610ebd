import { RotationReason } from "@lanekeeper/protocol/lanekeeper/identity/v1/session";
import type { TurnEnded } from "@lanekeeper/protocol/lanekeeper/runner/v1/runner_service";
import { OnConflict, TurnState } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { eventually } from "@lanekeeper/testing";
import { expect, test } from "vitest";
import { textOf } from "../domain/message-text.ts";
import { gate } from "../testing/gate.ts";
import { type Behaviour, end, heldAnswer } from "../testing/model-double.ts";
import { applyMain, Attached, KEY, TENANT, turnFor } from "../testing/requests.ts";
import type { Replica, World } from "../testing/world.ts";
import { testWorlds } from "../testing/test-worlds.ts";

const worlds = testWorlds();

/** 1,000 tokens are 4,000 characters; half of them is full. */
const SMALL = { contextTokenBudget: 1_000, compaction: { atPercent: 50 } };
const LONG = "x".repeat(900);
/** With two long ones before it the context is more than half full. */
const THIRD = `three ${"y".repeat(300)}`;

/** Answers with a short word; a request for a summary with one that says how it came about. */
const answers: Behaviour = async function* (request) {
  yield { type: "text", text: isForSummary(request) ? "SUMMARY of all" : "ok" };
  yield end();
};

function isForSummary({ messages: [first] }: Parameters<Behaviour>[0]): boolean {
  return first !== undefined && textOf(first).startsWith("You keep the memory");
}

/** Dies when it is asked for more than a summary; whoever asks then gets its answer. */
function diesAnswering(die: () => void): Behaviour {
  let isDead = false;
  return (request) => {
    if (!isForSummary(request) && !isDead) die();
    isDead ||= !isForSummary(request);
    return answers(request);
  };
}

function isAskedForSummary(world: World, call: number): boolean {
  return world.model.shown(call)[0]?.startsWith("system: You keep the memory") === true;
}

async function say(world: World, replica: Replica, text: string): Promise<TurnEnded> {
  return new Attached(replica, { submit: turnFor(world, text) }).ended;
}

/** Two turns whose history fills half of the budget. */
async function fill(world: World, replica: Replica): Promise<void> {
  await say(world, replica, `one ${LONG}`);
  await say(world, replica, `two ${LONG}`);
}

test.concurrent("a full context is replaced by a summary in a new generation, in which the same run goes on", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica, { ...SMALL, systemPrompt: "Be brief." });
  world.model.behaviour = answers;
  await fill(world, replica);
  const before = world.identity.ref(TENANT, KEY);
  const ended = await say(world, replica, THIRD);
  expect(ended.state).toBe(TurnState.COMPLETED);
  expect(ended.session?.generation).toBe(before.generation + 1n);
  expect(ended.session?.sessionId).toBe(world.identity.ref(TENANT, KEY).sessionId);
  expect(world.identity.granted.length).toBe(3);
  expect(isAskedForSummary(world, 2)).toBe(true);
  expect(world.model.shown(2)[1]).toContain(`user: one ${LONG}`);
  const system =
    "system: Be brief.\n\nSummary of the conversation before what follows:\nSUMMARY of all";
  expect(world.model.shown(3)).toEqual([system, `user: ${THIRD}`]);
  // Both calls of the model count.
  expect(ended.usage).toMatchObject({ inputTokens: 6n, outputTokens: 4n });
  await say(world, replica, "four");
  expect(world.model.shown(4)).toEqual([system, `user: ${THIRD}`, "assistant: ok", "user: four"]);
  const { messages } = await replica.client.listMessages({
    session: { case: "sessionKey", value: KEY },
  });
  expect(messages.map(({ generation }) => Number(generation))).toEqual([1, 1, 1, 1, 2, 2, 2, 2]);
});

test.concurrent("the last exchanges stay as they were said, and a second summary holds the first", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica, SMALL);
  world.model.behaviour = answers;
  await fill(world, replica);
  await say(world, replica, "short");
  await say(world, replica, THIRD);
  const shown = world.model.shown(4);
  expect(shown[0]).toContain("SUMMARY of all");
  expect(shown.slice(1)).toEqual(["user: short", "assistant: ok", `user: ${THIRD}`]);
  await fill(world, replica);
  await say(world, replica, "four");
  const requests = world.model.asked
    .map((_, call) => call)
    .filter((call) => isAskedForSummary(world, call));
  expect(requests.length).toBeGreaterThan(1);
  expect(world.model.shown(requests.at(-1) ?? 0)[1]).toContain(
    "Summary of what came before:\nSUMMARY of all",
  );
});

test.concurrent("what is said to the turn meanwhile, at another replica, is told to the model that answers", async () => {
  await using world = await worlds.start();
  const [replica, other] = [await world.replica(), await world.replica()];
  await applyMain(replica, SMALL);
  world.model.behaviour = answers;
  await fill(world, replica);
  const summed = gate();
  world.model.behaviour = async function* (request) {
    if (isForSummary(request)) await summed.opened;
    yield* answers(request);
  };
  const host = new Attached(replica, { submit: turnFor(world, THIRD) });
  await eventually(() => world.model.asked.length === 3);
  const steer = { onConflict: OnConflict.STEER };
  const { intoTurnId } = await other.client.submitTurn(turnFor(world, "and this", steer));
  expect(intoTurnId).toBe(host.turnId);
  summed.open();
  await host.ended;
  expect(world.model.asked).toHaveLength(4);
  expect(world.model.shown(3).slice(1)).toEqual([`user: ${THIRD}`, "user: and this"]);
});

test.concurrent.each(["off", "not worthwhile"] as const)("no compaction: %s", async (why) => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica, why === "off" ? { ...SMALL, compaction: { off: true } } : SMALL);
  world.model.behaviour = answers;
  if (why === "off") await fill(world, replica);
  else await say(world, replica, "short");
  const ended = await say(world, replica, `three ${LONG}${LONG}`);
  expect(ended.session?.generation).toBe(1n);
});

test.concurrent("a model that gives no summary keeps no turn from its answer", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica, SMALL);
  world.model.behaviour = answers;
  await fill(world, replica);
  world.model.behaviour = async function* (request) {
    yield { type: "text", text: isForSummary(request) ? " " : "fine" };
    yield end();
  };
  const ended = await say(world, replica, THIRD);
  expect(ended).toMatchObject({ state: TurnState.COMPLETED, session: { generation: 1n } });
  expect(ended.reply && textOf(ended.reply)).toBe("fine");
});

test.concurrent("heartbeats go on across the rotation, those of before it included", async () => {
  await using world = await worlds.start();
  const replica = await world.replica({ leaseMs: 1_500 });
  await applyMain(replica, SMALL);
  world.model.behaviour = answers;
  await fill(world, replica);
  const held = gate();
  world.model.behaviour = async function* (request) {
    const first = request.messages[0];
    if (first !== undefined && textOf(first).startsWith("You keep the memory"))
      yield* answers(request);
    else yield* heldAnswer(held.opened, "held")(request);
  };
  const attached = new Attached(replica, { submit: turnFor(world, THIRD) });
  await eventually(() => world.identity.ref(TENANT, KEY).generation === 2n);
  await eventually(() => attached.kinds.includes("textDelta"));
  const written = world.identity.progressOf(TENANT, KEY);
  await eventually(() => world.identity.progressOf(TENANT, KEY) >= written + 3);
  held.open();
  expect((await attached.ended).state).toBe(TurnState.COMPLETED);
  const { turn } = await replica.client.getTurn({ turnId: attached.turnId });
  expect(turn?.runs.length).toBe(1);
});

test.concurrent.each([
  ["with its summary made and not stored", "before runner_store_summary", 1n, 2],
  ["with its summary stored and the rotation not sent", "after runner_store_summary", 1n, 2],
  ["with the rotation made and not heard of", "after rotateSession", 2n, 1],
  ["in the new generation, as it asks its model", "", 2n, 1],
] as const)(
  "killed %s, the next run knows all that was said",
  async (_what, at, madeBy, summaries) => {
    await using world = await worlds.start();
    const first = await world.replica();
    await applyMain(first, SMALL);
    world.model.behaviour = answers;
    await fill(world, first);
    await first.stop();
    const doomed = await world.replica({ dieAt: at });
    if (at === "") world.model.behaviour = diesAnswering(() => doomed.kill());
    const { turnId } = await doomed.client.submitTurn(turnFor(world, THIRD));
    await eventually(() => doomed.isDead);
    expect(world.identity.ref(TENANT, KEY).generation).toBe(madeBy);
    const other = await world.replica();
    await world.expireLeases();
    const ended = await new Attached(other, { turnId }).ended;
    expect(ended).toMatchObject({ state: TurnState.COMPLETED, session: { generation: 2n } });
    const last = world.model.shown(world.model.asked.length - 1);
    expect(last[0]).toContain("SUMMARY of all");
    expect(last.at(-1)).toBe(`user: ${THIRD}`);
    const asked = world.model.asked.filter((_, call) => isAskedForSummary(world, call)).length;
    expect(asked).toBe(summaries);
  },
);

test.concurrent("a summary of a run that did not make the generation counts for nothing", async () => {
  await using world = await worlds.start();
  let first: Replica | undefined;
  first = await world.replica({
    hooks: {
      beforeWrite: (event) => {
        if (event === "rotate") first?.kill();
      },
    },
  });
  await applyMain(first, SMALL);
  world.model.behaviour = answers;
  await fill(world, first);
  const { turnId } = await first.client.submitTurn(turnFor(world, THIRD));
  await eventually(() => first?.isDead === true);
  // Another makes generation 2, with its predecessor as parent: what was stored for it is not its own.
  const { sessionId } = world.identity.ref(TENANT, KEY);
  world.identity.rotate(TENANT, KEY, {
    parentSessionId: sessionId,
    reason: RotationReason.COMPACTION,
  });
  const other = await world.replica();
  await applyMain(other, { compaction: { off: true } });
  await world.expireLeases();
  expect((await new Attached(other, { turnId }).ended).state).toBe(TurnState.SUPERSEDED);
  await say(world, other, "four");
  const shown = world.model.shown(world.model.asked.length - 1);
  expect(shown[0]).toBe(`user: one ${LONG}`);
  expect(shown.at(-1)).toBe("user: four");
});

test.concurrent("a run that is rotated away while it summarizes ends its turn as superseded", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica, SMALL);
  world.model.behaviour = answers;
  await fill(world, replica);
  world.model.behaviour = async function* (request) {
    world.identity.rotate(TENANT, KEY);
    yield* answers(request);
  };
  const ended = await say(world, replica, THIRD);
  expect(ended.state).toBe(TurnState.SUPERSEDED);
  expect(world.identity.ref(TENANT, KEY).generation).toBe(2n);
});

test.concurrent("where all that was said stays as it is, there is nothing to summarize, and nothing is lost", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  // Prompt and history are more than a tenth of the budget, the history alone is less.
  const systemPrompt = `Be brief. ${"z".repeat(300)}`;
  await applyMain(replica, { ...SMALL, compaction: { atPercent: 10 }, systemPrompt });
  world.model.behaviour = answers;
  await say(world, replica, `one ${"x".repeat(150)}`);
  const ended = await say(world, replica, "two");
  expect(ended.session?.generation).toBe(1n);
  await say(world, replica, "three");
  const shown = world.model.shown(world.model.asked.length - 1);
  expect(shown.map((text) => text.split(" ")[1])).toEqual([
    "Be",
    "one",
    "ok",
    "two",
    "ok",
    "three",
  ]);
});

test.concurrent("a history that is more than a context is asked for a summary of with room for the answer", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica, { ...SMALL, compaction: { off: true } });
  world.model.behaviour = answers;
  for (const text of ["one", "two", "three", "four", "five"]) {
    await say(world, replica, `${text} ${LONG}`);
  }
  await applyMain(replica, SMALL);
  const ended = await say(world, replica, THIRD);
  expect(ended.session?.generation).toBe(2n);
  expect(isAskedForSummary(world, 5)).toBe(true);
  const asked = (world.model.asked[5]?.messages ?? []).map(textOf).join("");
  // 4,000 characters, less the share that a summary may take.
  expect(asked.length).toBeLessThanOrEqual(3_400);
  expect(asked).toContain(`user: five ${LONG}`);
});
