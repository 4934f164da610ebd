import type { EmbeddedPostgres } from "@lanekeeper/embedded-postgres";
import { TurnState } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { afterAll, beforeAll, expect, test } from "vitest";
import { applyMain, Attached, turnFor, user } from "../testing/requests.ts";
import { startServer, World } from "../testing/world.ts";

let server: EmbeddedPostgres;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.stop());

test.concurrent("a turn is told with what it was asked where that is wanted", async () => {
  await using world = await World.start(server);
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
  await using world = await World.start(server);
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
