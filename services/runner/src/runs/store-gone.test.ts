import { DatabaseUnavailableError } from "@lanekeeper/postgres";
import { RunOutcome } from "@lanekeeper/protocol/lanekeeper/identity/v1/session";
import { TurnState } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { eventually } from "@lanekeeper/testing";
import { expect, test } from "vitest";
import { textOf } from "../domain/message-text.ts";
import { gate } from "../testing/gate.ts";
import { end, toolCall } from "../testing/model-double.ts";
import { applyMain, Attached, turnFor } from "../testing/requests.ts";
import { lastSaid } from "../testing/subagents.ts";
import { testWorlds } from "../testing/test-worlds.ts";

const worlds = testWorlds();

test("a run that cannot ask the database in the middle of its work gives its turn back, instead of failing it", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica);
  let outages = 1;
  world.model.behaviour = async function* () {
    yield { type: "text", text: "an" };
    // As a tool or the next step meets it.
    if (outages-- > 0) throw new DatabaseUnavailableError("no connection within 5 s");
    yield { type: "text", text: "swer" };
    yield end();
  };
  const attached = new Attached(replica, { submit: turnFor(world, "hello") });
  const ended = await attached.ended;
  expect(ended.state).toBe(TurnState.COMPLETED);
  expect(ended.reply && textOf(ended.reply)).toBe("answer");
  const begun = attached.events.flatMap(({ event }) =>
    event.case === "runBegun" ? [event.value.discardPrevious] : [],
  );
  expect(begun).toEqual([false, true]);
  const { turn } = await replica.client.getTurn({ turnId: attached.turnId });
  expect(turn?.runs.map(({ outcome }) => outcome)).toEqual([
    RunOutcome.REQUEUED,
    RunOutcome.COMPLETED,
  ]);
  const { messages } = await replica.client.listMessages({
    session: { case: "sessionKey", value: turn?.sessionKey ?? "" },
  });
  expect(messages.map(({ message }) => message && textOf(message))).toEqual(["hello", "answer"]);
});

test("one that never can fails after as many runs as a turn has", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica);
  // oxlint-disable-next-line require-yield
  world.model.behaviour = async function* () {
    throw new DatabaseUnavailableError("no connection within 5 s");
  };
  const ended = await new Attached(replica, { submit: turnFor(world, "hello") }).ended;
  expect(ended).toMatchObject({ state: TurnState.FAILED, errorReason: "INTERNAL" });
  expect(world.model.asked).toHaveLength(3);
});

test("an outage while a tool asks the database is no answer of the tool: the turn's next run makes the call again", async () => {
  await using world = await worlds.start();
  let outages = 0;
  const replica = await world.replica({
    beforeStatement: async (name) => {
      if (name !== "runner_search_memories") return;
      outages += 1;
      if (outages === 1) throw new DatabaseUnavailableError("no connection within 5 s");
    },
  });
  await applyMain(replica, { tools: ["memory_search"] });
  world.model.behaviour = async function* (request) {
    const said = lastSaid(request);
    if (said === "search") yield toolCall("c1", "memory_search", '{"query":"tea"}');
    else yield { type: "text", text: said };
    yield end();
  };
  const { state, reply } = await new Attached(replica, { submit: turnFor(world, "search") }).ended;
  expect(state).toBe(TurnState.COMPLETED);
  expect(reply && textOf(reply)).toBe('result {"memories":[]}');
});

test("a run that waits for another session's answer waits on through an outage of the database", async () => {
  await using world = await worlds.start();
  let outages = 0;
  const replica = await world.replica({
    beforeStatement: async (name) => {
      if (name !== "runner_read_followed" || outages !== 1) return;
      outages += 1;
      throw new DatabaseUnavailableError("no connection within 5 s");
    },
  });
  await applyMain(replica, { tools: ["sessions_send"] });
  const held = gate();
  world.model.behaviour = async function* (request) {
    const said = lastSaid(request);
    if (said === "hold") await held.opened;
    const args = { session_key: "agent:main:b", message: "hi" };
    if (said === "ask") yield toolCall("c1", "sessions_send", JSON.stringify(args));
    else yield { type: "text", text: `heard ${said}` };
    yield end();
  };
  const key = "agent:main:b";
  const busy = new Attached(replica, { submit: turnFor(world, "hold", { key }) });
  await eventually(() => busy.kinds.includes("runBegun"));
  const parent = new Attached(replica, { submit: turnFor(world, "ask") });
  await eventually(async () => {
    const { lane } = await replica.client.getLane({ sessionKey: key });
    return lane?.depth === 1;
  });
  outages = 1;
  await eventually(() => outages === 2);
  held.open();
  const { state, reply } = await parent.ended;
  expect(state).toBe(TurnState.COMPLETED);
  expect(reply && textOf(reply)).toContain('"reply":"heard hi"');
  expect(world.model.asked).toHaveLength(4);
});
