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

const SENDS = {
  "without waiting": ["sessions_send", { session_key: "agent:main:b", message: "hi", wait: false }],
  "and waits": ["sessions_send", { session_key: "agent:main:b", message: "hi", wait: true }],
  "a task": ["sessions_spawn", { task: "hi", wait: true }],
} as const;

test.concurrent.each(Object.entries(SENDS))(
  "a run that goes on while its replica drains sends %s, and another replica runs what was sent",
  async (_what, [name, args]) => {
    await using world = await worlds.start();
    const [one, two] = [await world.replica(), await world.replica()];
    await applyMain(one, { tools: ["sessions_send", "sessions_spawn"] });
    const [asked, held] = [gate(), gate()];
    world.model.behaviour = async function* (request) {
      const said = lastSaid(request);
      if (said === "go") {
        asked.open();
        await held.opened;
        yield toolCall("c1", name, JSON.stringify(args));
      } else yield { type: "text", text: `heard ${said}` };
      yield end();
    };
    const parent = new Attached(one, { submit: turnFor(world, "go", { key: "agent:main:a" }) });
    await asked.opened;
    const drained = one.drain(new AbortController().signal);
    held.open();
    const { turnId } = parent;
    const { state, reply } = await parent.ended;
    expect(state).toBe(TurnState.COMPLETED);
    expect(reply && textOf(reply)).toContain('"turn_id"');
    await drained;
    const child = await eventually(async () => {
      const { turns } = await two.client.listTurns({ parentTurnId: turnId });
      return turns.find((turn) => turn.state === TurnState.COMPLETED);
    });
    expect(child.runs.map(({ replica }) => replica)).toEqual([two.name]);
  },
);
