import { TurnState } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { eventually } from "@lanekeeper/testing";
import { expect, test } from "vitest";
import { ModelError } from "../models/model-error.ts";
import { gate } from "../testing/gate.ts";
import { applyMain, Attached, turnFor, user } from "../testing/requests.ts";
import { testWorlds } from "../testing/test-worlds.ts";

const worlds = testWorlds();

test.concurrent("a turn is told with what it was asked where that is wanted", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica);
  const parameters = { temperature: 0.5, instructions: "be brief" };
  const attached = new Attached(replica, { submit: turnFor(world, "hello", { parameters }) });
  await attached.ended;
  const { turnId } = attached;

  expect(await replica.client.getTurn({ turnId })).toMatchObject({
    turn: { state: TurnState.COMPLETED, finishReason: "stop", model: "double-1" },
  });
  expect((await replica.client.getTurn({ turnId })).request).toBeUndefined();
  expect((await replica.client.getTurn({ turnId, withRequest: true })).request).toMatchObject({
    messages: [user("hello")],
    parameters,
  });
});

test.concurrent("instructions hold for one turn: behind the prompt, and in no transcript", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica, { systemPrompt: "You are Ada." });
  const parameters = { instructions: "Be brief." };
  await new Attached(replica, { submit: turnFor(world, "hello", { parameters }) }).ended;
  await new Attached(replica, { submit: turnFor(world, "again") }).ended;

  expect(world.model.shown(0)).toEqual(["system: You are Ada.\n\nBe brief.", "user: hello"]);
  expect(world.model.shown(1)).toEqual([
    "system: You are Ada.",
    "user: hello",
    "assistant: echo: hello",
    "user: again",
  ]);
});

test.concurrent("a run is told with the model that it asks from its beginning on, also where that gives no answer", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica);
  const asked = gate();
  world.model.behaviour = async function* () {
    yield { type: "text", text: "…" };
    await asked.opened;
    throw new ModelError("MODEL_FAILED", "no luck");
  };
  const attached = new Attached(replica, { submit: turnFor(world, "hello") });
  await eventually(() => attached.text !== "");
  const tell = async () => (await replica.client.getTurn({ turnId: attached.turnId })).turn;
  const state = TurnState.ACTIVE;
  expect(await tell()).toMatchObject({ state, model: "", runs: [{ model: world.model.name }] });
  asked.open();
  expect((await attached.ended).model).toBe("");
  expect(await tell()).toMatchObject({
    ...{ state: TurnState.FAILED, model: "", runs: [{ model: world.model.name }] },
  });
});
