import { OnConflict, TurnState } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { eventually } from "@lanekeeper/testing";
import { expect, test } from "vitest";
import { heldAnswer } from "../testing/model-double.ts";
import { applyMain, Attached, KEY, turnFor } from "../testing/requests.ts";
import { testWorlds } from "../testing/test-worlds.ts";
import { requeue } from "../store/runs/end-unanswered.ts";
import type { RunnerDatabase } from "../store/sql.ts";
import { cancelTurn } from "./cancel.ts";

const worlds = testWorlds();

/** A database in which something happens before a statement, once. */
function meanwhile(db: RunnerDatabase, name: string, happens: () => Promise<unknown>) {
  let isOver = false;
  const query = async (...about: Parameters<RunnerDatabase["query"]>) => {
    const [statement] = about;
    if (!isOver && typeof statement !== "string" && statement.name === name) {
      isOver = true;
      await happens();
    }
    return db.query(...about);
  };
  return Object.create(db, { query: { value: query } }) as RunnerDatabase;
}

test("a turn that is given back to its queue while it is cancelled is cancelled there", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica);
  world.model.behaviour = heldAnswer(new Promise(() => undefined));
  const attached = new Attached(replica, { submit: turnFor(world, "one") });
  await eventually(() => attached.kinds.includes("textDelta"));
  const { cancelParts } = replica.context;
  const runId = world.identity.holder("t1", KEY) ?? "";
  const held = { tenant: "t1", sessionKey: KEY, turnId: attached.turnId, runId };
  const db = meanwhile(cancelParts.deps.db, "runner_request_stop", () =>
    requeue(world.db, held, { outcome: 0, errorReason: "", isSpared: false }),
  );
  const parts = { ...cancelParts, deps: { ...cancelParts.deps, db }, onFreed: () => undefined };
  const turn = await cancelTurn(parts, "t1", attached.turnId, "");
  expect(turn).toMatchObject({ state: "CANCELLED" });
});

test("a message that was handed to a turn, and is one of its own again while it is cancelled, is cancelled", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica);
  world.model.behaviour = heldAnswer(new Promise(() => undefined));
  const host = new Attached(replica, { submit: turnFor(world, "one") });
  await eventually(() => host.kinds.includes("textDelta"));
  const steer = turnFor(world, "two", { onConflict: OnConflict.STEER });
  const { turnId } = await replica.client.submitTurn(steer);
  await replica.client.cancelTurn({ turnId: host.turnId });
  const { turn } = await replica.client.cancelTurn({ turnId });
  expect([TurnState.CANCELLED, TurnState.QUEUED, TurnState.ACTIVE]).toContain(turn?.state);
  expect((await new Attached(replica, { turnId }).ended).state).toBe(TurnState.CANCELLED);
});
