import { randomUUID } from "node:crypto";
import { OnConflict } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { eventually } from "@lanekeeper/testing";
import { expect, test } from "vitest";
import { textOf } from "../domain/message-text.ts";
import { LIMITS } from "../limits.ts";
import { accept } from "../rpc/accept.ts";
import { countNested, readNestedCount } from "../store/nested/nested-counts.ts";
import type { NewLaneTurn } from "../store/admission/new-turn.ts";
import { gate } from "../testing/gate.ts";
import { type Behaviour, end, toolCall } from "../testing/model-double.ts";
import { applyMain, Attached, KEY, TENANT, turnFor } from "../testing/requests.ts";
import { deliverTo, lastSaid, replyOf, turnsOf } from "../testing/subagents.ts";
import { testWorlds } from "../testing/test-worlds.ts";
import { submitNested } from "./nested-send.ts";

const worlds = testWorlds();

/** Each result is a reason to give the same task once more; who is refused that says so. */
function endless(beforeAnswer: () => Promise<void>): Behaviour {
  return async function* (request) {
    const said = lastSaid(request);
    if (said === "task") {
      await beforeAnswer();
      yield { type: "text", text: "again!" };
    } else if (said.startsWith("result ")) {
      yield { type: "text", text: said };
    } else {
      yield toolCall("c1", "sessions_spawn", JSON.stringify({ task: "task" }));
      yield end("tool_calls");
      return;
    }
    yield end();
  };
}

test("a loop of tasks and their results ends by its bound, and a person's next message may hand out tasks again", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica, { tools: ["sessions_spawn"] });
  deliverTo(world, replica);
  const counted = gate();
  world.model.behaviour = endless(() => counted.opened);
  const { turnId: rootTurnId } = await replica.client.submitTurn(turnFor(world, "go"));
  const root = { tenant: TENANT, rootTurnId };
  await eventually(async () => (await readNestedCount(world.db, root))?.sent === 1);
  // As after so many rounds.
  await world.db.query("UPDATE nested_counts SET sent = $1", [LIMITS.nestedTurnsPerRequest - 2]);
  counted.open();
  const isRefused = (index: number) => async () =>
    (await replyOf(replica, index)).includes(
      "HOP_LIMIT: 256 sends and tasks have come of one request",
    );
  // The request, and the results of the first task and of the two that were left.
  await eventually(isRefused(3));
  const [first, ...results] = await turnsOf(replica, KEY);
  expect(first?.rootTurnId).toBe("");
  expect(results.map((turn) => turn.rootTurnId)).toEqual([rootTurnId, rootTurnId, rootTurnId]);
  const { turnId: later } = await replica.client.submitTurn(turnFor(world, "go on"));
  const second = { tenant: TENANT, rootTurnId: later };
  await eventually(async () => (await readNestedCount(world.db, second)) !== undefined);
});

test("an agent may state how many come of one request to it: that holds for all of them, whoever sends", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  const model = { provider: { case: "scripted" as const, value: {} } };
  const tools = ["sessions_send"];
  await replica.client.applyAgents({
    agents: [
      { agentId: "main", model, tools, nestedTurnsPerRequest: 2 },
      { agentId: "side", model, tools, nestedTurnsPerRequest: 9 },
    ],
  });
  // "a b c" is passed on to a, which passes the rest on; each says what came of it.
  world.model.behaviour = async function* (request) {
    const said = lastSaid(request);
    const [session_key, ...rest] = said.startsWith("result ") ? [] : said.split(" ");
    if (session_key?.startsWith("agent:") === true) {
      const args = { session_key, message: rest.join(" "), wait: true };
      yield toolCall("c1", "sessions_send", JSON.stringify(args));
    } else yield { type: "text", text: said };
    yield end();
  };
  const answerTo = async (text: string, key: string) => {
    const ended = await new Attached(replica, { submit: turnFor(world, text, { key }) }).ended;
    return textOf(ended.reply ?? fail());
  };
  const chain = "agent:side:b agent:main:c agent:side:d hello";
  expect(await answerTo(chain, "agent:main:a")).toContain(
    "HOP_LIMIT: 2 sends and tasks have come of one request",
  );
  expect(await answerTo(chain, "agent:side:a")).not.toContain("HOP_LIMIT");
});

test("of a request that has spent its sends those that were made are joined, and no session is made for a new one", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica, { tools: ["sessions_send"] });
  const over = gate();
  world.model.behaviour = async function* (request) {
    yield { type: "text", text: lastSaid(request) };
    if (lastSaid(request) === "go") await over.opened;
    yield end();
  };
  const parent = new Attached(replica, { submit: turnFor(world, "go") });
  await eventually(() => parent.text !== "");
  const [run] = replica.context.runs.ofKey(TENANT, KEY);
  const submit = async (turn: NewLaneTurn) =>
    (await accept(replica.context, turn, false)).turn.turnId;
  const send = (step: number) =>
    submitNested(
      { ...replica.context, submit },
      {
        from: {
          ...{ tenant: TENANT, principal: "p1", agentId: "main", turnId: parent.turnId, step },
          session: world.identity.ref(TENANT, KEY),
          runId: run?.runId ?? "",
          callChain: [KEY],
          rootTurnId: parent.turnId,
          nestedTurnsPerRequest: LIMITS.nestedTurnsPerRequest,
          traceparent: "",
          contextUse: { usedTokens: 0, budgetTokens: 1 },
          signal: new AbortController().signal,
        },
        ...{ key: `agent:main:other${step}`, agentId: undefined, text: "x", wait: false },
        onConflict: OnConflict.ENQUEUE,
      },
    );
  const sent = await send(1);
  await world.db.query("UPDATE nested_counts SET sent = $1", [LIMITS.nestedTurnsPerRequest]);
  expect(await send(1)).toMatchObject({ turnId: sent.turnId });
  // Nobody is asked for a session then.
  world.identity.isDown = true;
  await expect(send(2)).rejects.toMatchObject({
    reason: "HOP_LIMIT",
    metadata: {
      ...{ bound: "nested_turns_per_request", limit: "256", root_turn_id: parent.turnId },
    },
  });
  world.identity.isDown = false;
  over.open();
  expect(textOf((await parent.ended).reply ?? fail())).toBe("go");
});

function fail(): never {
  throw new Error("there is no reply");
}

test("those who send at once for one request share what is left of it, to the last", async () => {
  await using world = await worlds.start();
  const root = { tenant: TENANT, rootTurnId: randomUUID() };
  const all = Array.from({ length: 8 }, () =>
    world.db.transaction((sql) => countNested(sql, root, 5)),
  );
  expect((await Promise.all(all)).filter(Boolean)).toHaveLength(5);
  expect(await readNestedCount(world.db, root)).toEqual({ sent: 5, allowed: 5 });
});
