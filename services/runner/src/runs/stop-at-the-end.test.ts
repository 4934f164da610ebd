import { OnConflict, TurnState } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { eventually } from "@lanekeeper/testing";
import { expect, test } from "vitest";
import { ModelError } from "../models/model-error.ts";
import { gate } from "../testing/gate.ts";
import { echo, heldAnswer } from "../testing/model-double.ts";
import { transcript } from "../testing/reading.ts";
import { applyMain, Attached, turnFor } from "../testing/requests.ts";
import { testWorlds } from "../testing/test-worlds.ts";

const worlds = testWorlds();

/** A turn that runs at `a`; its model comes to its end, whatever it is, once it may. */
async function started(fails: boolean) {
  const world = await worlds.start();
  const [a, b] = [await world.replica(), await world.replica()];
  await applyMain(a);
  const mayEnd = gate();
  world.model.behaviour = async function* (request) {
    if (!fails) return yield* heldAnswer(mayEnd.opened)(request);
    yield { type: "text", text: "he" };
    await mayEnd.opened;
    throw new ModelError("MODEL_FAILED", "no");
  };
  const active = new Attached(a, { submit: turnFor(world, "active") });
  await eventually(() => active.kinds.includes("textDelta"));
  world.model.behaviour = echo;
  return { world, a, b, active, mayEnd };
}

test.concurrent.each([
  ["interrupts", "answers", OnConflict.INTERRUPT, ["active"]],
  ["interrupts", "fails", OnConflict.INTERRUPT, ["active"]],
  ["rolls back", "answers", OnConflict.ROLLBACK, []],
  ["rolls back", "fails", OnConflict.ROLLBACK, []],
] as const)(
  "who %s at another replica a turn that %s in that moment is heard until the ending is stored",
  async (_does, how, onConflict, left) => {
    const { world, b, active, mayEnd } = await started(how === "fails");
    await using _ = world;
    const next = await b.client.submitTurn(turnFor(world, "next", { onConflict }));
    mayEnd.open();
    expect(await active.ended).toMatchObject({
      state: TurnState.INTERRUPTED,
      errorReason: "TURN_INTERRUPTED",
    });
    const ended = await new Attached(b, { turnId: next.turnId }).ended;
    expect(ended.state).toBe(TurnState.COMPLETED);
    expect(await transcript(b)).toEqual([...left, "next", "echo: next"]);
  },
);

test.concurrent("so is who cancels it", async () => {
  const { world, b, active, mayEnd } = await started(false);
  await using _ = world;
  await b.client.cancelTurn({ turnId: active.turnId, note: "enough" });
  mayEnd.open();
  expect(await active.ended).toMatchObject({
    state: TurnState.CANCELLED,
    errorMessage: "the turn was cancelled: enough",
  });
  expect(await transcript(b)).toEqual(["active"]);
});
