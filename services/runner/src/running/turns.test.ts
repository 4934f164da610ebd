import { TurnState } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import type { EmbeddedPostgres } from "@lanekeeper/embedded-postgres";
import { afterAll, beforeAll, expect, test } from "vitest";
import { textOf } from "../domain/message-text.ts";
import { applyMain, Attached, KEY, turnFor } from "../testing/requests.ts";
import { startServer, World } from "../testing/world.ts";

let server: EmbeddedPostgres;
beforeAll(async () => {
  server = await startServer();
}, 60_000);
afterAll(() => server.stop());

test("a turn is answered, told event by event, and stands in the transcript", async () => {
  await using world = await World.start(server);
  const replica = await world.replica();
  await applyMain(replica);
  const attached = new Attached(replica, { submit: turnFor(world, "hello") });
  const ended = await attached.ended;
  expect(ended.state).toBe(TurnState.COMPLETED);
  expect(ended.reply && textOf(ended.reply)).toBe("echo: hello");
  expect(attached.kinds).toEqual(["accepted", "runBegun", "textDelta", "textDelta", "ended"]);
  const { messages } = await replica.client.listMessages({
    session: { case: "sessionKey", value: KEY },
  });
  expect(messages.map(({ seq, message }) => [seq, message && textOf(message)])).toEqual([
    [1n, "hello"],
    [2n, "echo: hello"],
  ]);
});
