import type { EmbeddedPostgres } from "@lanekeeper/embedded-postgres";
import { afterAll, beforeAll, expect, test } from "vitest";
import { textOf } from "../domain/message-text.ts";
import { end, toolCall } from "../testing/model-double.ts";
import { applyMain, Attached, turnFor } from "../testing/requests.ts";
import { startServer, World } from "../testing/world.ts";

let server: EmbeddedPostgres;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.stop());

test("past the calls that a turn may make, each is refused without being made, and the model told so", async () => {
  await using world = await World.start(server);
  let made = 0;
  const run = async () => {
    made += 1;
    return { text: `found ${made}`, isError: false };
  };
  world.tools.push({ spec: { name: "look", description: "Looks.", parameters: {} }, run });
  const replica = await world.replica();
  await applyMain(replica, { toolLimits: { stepsPerTurn: 2 } });
  world.model.behaviour = async function* ({ messages }) {
    const results = messages.flatMap(({ parts }) =>
      parts.flatMap(({ content }) => (content.case === "toolResult" ? [content.value.text] : [])),
    );
    if (results.length < 3) {
      yield toolCall(`c${results.length}`, "look");
      yield end("tool_calls");
      return;
    }
    yield { type: "text", text: results.join("; ") };
    yield end();
  };
  const { reply } = await new Attached(replica, { submit: turnFor(world, "go") }).ended;
  expect(made).toBe(2);
  expect(reply && textOf(reply)).toBe(
    "found 1; found 2; QUOTA: the turn has used its 2 calls of tools. Answer without.",
  );
});
