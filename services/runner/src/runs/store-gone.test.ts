import { DatabaseUnavailableError } from "@lanekeeper/postgres";
import { RunOutcome } from "@lanekeeper/protocol/lanekeeper/identity/v1/session";
import { TurnState } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { expect, test } from "vitest";
import { textOf } from "../domain/message-text.ts";
import { end } from "../testing/model-double.ts";
import { applyMain, Attached, turnFor } from "../testing/requests.ts";
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
