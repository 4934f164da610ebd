import { OnConflict, TurnState } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { eventually } from "@lanekeeper/testing";
import { expect, test } from "vitest";
import { textOf } from "../domain/message-text.ts";
import { type Behaviour, end, toolCall } from "../testing/model-double.ts";
import { applyMain, Attached, KEY, turnFor } from "../testing/requests.ts";
import type { Replica, World } from "../testing/world.ts";
import { testWorlds } from "../testing/test-worlds.ts";
import { memoryOf } from "./memory.ts";

const worlds = testWorlds();

const TOOLS = { tools: ["memory_save", "memory_search"] };

/** Messages that begin with a tool's name call it with the rest; the answer is the tool's result. */
const obeys: Behaviour = async function* ({ messages }) {
  const last = messages.at(-1);
  const content = last?.parts[0]?.content;
  const said = content?.case === "text" ? content.value : "";
  const [, name, args] = /^(memory_\w+) (.*)$/.exec(said) ?? [];
  if (name !== undefined) {
    yield toolCall("c1", name, args);
    yield end("tool_calls");
    return;
  }
  yield { type: "text", text: content?.case === "toolResult" ? content.value.text : "ok" };
  yield end();
};

/** Obeys, and then never answers: its turn is stopped or dies with what it saved. */
const obeysAndHangs: Behaviour = async function* (request) {
  if (request.messages.at(-1)?.parts[0]?.content.case !== "toolResult") {
    yield* obeys(request);
    return;
  }
  yield { type: "text", text: "…" };
  await new Promise((_resolve, reject) => {
    request.signal.addEventListener("abort", () => reject(request.signal.reason), { once: true });
  });
};

async function ask(world: World, replica: Replica, text: string, key = KEY): Promise<string> {
  const ended = await new Attached(replica, { submit: turnFor(world, text, { key }) }).ended;
  return ended.reply === undefined ? "" : textOf(ended.reply);
}

const save = (text: string, pinned = false) => `memory_save ${JSON.stringify({ text, pinned })}`;

async function found(world: World, replica: Replica, query: string, key = KEY): Promise<string[]> {
  const answer = await ask(world, replica, `memory_search ${JSON.stringify({ query })}`, key);
  const { memories } = JSON.parse(answer) as { memories: { text: string }[] };
  return memories.map(({ text }) => text);
}

test.concurrent("what is saved is found from any conversation of the agent, the best first, and of no other agent or tenant", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  const model = { provider: { case: "scripted" as const, value: {} } };
  const agents = ["main", "other"].map((agentId) => ({ agentId, model, ...TOOLS }));
  await replica.client.applyAgents({ agents });
  await replica.client.applyAgents({ agents }, { tenant: "t2" });
  world.model.behaviour = obeys;
  await ask(world, replica, save("Anna likes tea"));
  await ask(world, replica, save("tea, tea and more tea: the team's drink"));
  await ask(world, replica, save("Bert likes coffee"));
  const elsewhere = "agent:main:elsewhere";
  expect(await found(world, replica, "tea", elsewhere)).toEqual([
    "tea, tea and more tea: the team's drink",
    "Anna likes tea",
  ]);
  expect(await found(world, replica, "likes -tea", elsewhere)).toEqual(["Bert likes coffee"]);
  expect(await found(world, replica, "anna or coffee", elsewhere)).toHaveLength(2);
  expect(await found(world, replica, "tea", "agent:other:test")).toEqual([]);
  const value = world.identity.ref("t2", KEY);
  const submit = turnFor(world, 'memory_search {"query":"tea"}', {
    target: { case: "session", value },
  });
  const ended = await new Attached(replica, { submit }, { tenant: "t2" }).ended;
  expect(ended.reply && textOf(ended.reply)).toBe('{"memories":[]}');
});

test.concurrent("what is pinned stands in every later context of the agent", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica, { ...TOOLS, systemPrompt: "Be brief." });
  world.model.behaviour = obeys;
  await ask(world, replica, save("the user is called Anna", true));
  await ask(world, replica, save("not pinned"));
  await ask(world, replica, "hello", "agent:main:elsewhere");
  expect(world.model.shown(world.model.asked.length - 1)).toEqual([
    "system: Be brief.\n\nWhat you keep in mind:\n- the user is called Anna",
    "user: hello",
  ]);
});

test.concurrent.each([
  ["interrupted, stays", OnConflict.INTERRUPT, ["a fact"]],
  ["rolled back, is gone", OnConflict.ROLLBACK, []],
] as const)("what a turn saved that is %s", async (_what, onConflict, expected) => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica, TOOLS);
  world.model.behaviour = obeysAndHangs;
  const first = new Attached(replica, { submit: turnFor(world, save("a fact")) });
  await eventually(() => first.text === "…");
  // Nobody else sees it before its turn is over.
  world.model.behaviour = obeys;
  expect(await found(world, replica, "fact", "agent:main:elsewhere")).toEqual([]);
  await new Attached(replica, { submit: turnFor(world, "stop", { onConflict }) }).ended;
  expect((await first.ended).state).toBe(TurnState.INTERRUPTED);
  // No call without a result stands in what the next turn is shown.
  const shown = world.model.shown(world.model.asked.length - 1);
  expect(shown).toEqual(
    expected.length === 0 ? ["user: stop"] : [`user: ${save("a fact")}`, "user: stop"],
  );
  expect(await found(world, replica, "fact")).toEqual([...expected]);
});

test.concurrent("a save that a run died in is made once by the next, and a run that was taken over saves nothing", async () => {
  await using world = await worlds.start();
  const a = await world.replica();
  const b = await world.replica();
  await applyMain(a, TOOLS);
  world.model.behaviour = obeysAndHangs;
  const { turnId } = await a.client.submitTurn(turnFor(world, save("a fact")));
  await eventually(async () => (await world.db.query("SELECT FROM memories")).rowCount === 1);
  const [zombie] = a.context.runs.list();
  // As if it had died before it heard that the save was done.
  await world.db.query("UPDATE tool_steps SET result = NULL");
  world.model.behaviour = obeys;
  a.kill();
  await world.expireLeases();
  expect((await new Attached(b, { turnId }).ended).state).toBe(TurnState.COMPLETED);
  expect(await found(world, b, "fact")).toEqual(["a fact"]);
  const memory = memoryOf(b.context.deps);
  const late = { ...zombieScope(zombie, turnId), text: "from the grave", isPinned: true };
  expect(await memory.save(late)).toBe(false);
  expect(await found(world, b, "grave")).toEqual([]);
});

function zombieScope(run: { readonly runId: string } | undefined, turnId: string) {
  const runId = run?.runId ?? "";
  return { tenant: "t1", turnId, runId, step: 9, agentId: "main", sessionKey: KEY };
}

test.concurrent("what is pinned takes a part of a context and no more: of more the newest stand there", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  // 4,000 characters, of which pinned memories have a quarter.
  await applyMain(replica, { ...TOOLS, contextTokenBudget: 1_000 });
  world.model.behaviour = obeys;
  for (const word of ["old", "newer", "newest"]) {
    await ask(world, replica, save(`${word} ${"x".repeat(400)}`, true), `agent:main:${word}`);
  }
  await ask(world, replica, "hello");
  const [system = ""] = world.model.shown(world.model.asked.length - 1);
  expect(system.split("\n- ").map((text) => text.split(" ")[0])).toEqual([
    "system:",
    "newer",
    "newest",
  ]);
});
