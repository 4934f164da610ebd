import { DatabaseUnavailableError } from "@lanekeeper/postgres";
import { durationFromMs, durationMs } from "@bufbuild/protobuf/wkt";
import type { AwaitTurnResponse } from "@lanekeeper/protocol/lanekeeper/runner/v1/runner_service";
import { Disposition, TurnState } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { eventually } from "@lanekeeper/testing";
import { expect, test } from "vitest";
import { textOf } from "../domain/message-text.ts";
import { gate } from "../testing/gate.ts";
import { heldAnswer } from "../testing/model-double.ts";
import { applyMain, Attached, type Submit, turnFor } from "../testing/requests.ts";
import type { Replica, World } from "../testing/world.ts";
import { testWorlds } from "../testing/test-worlds.ts";

const worlds = testWorlds();

const LONG = durationFromMs(10_000);
const SHORT = durationFromMs(1);

async function started() {
  const world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica);
  return { world, replica };
}

const said = ({ ended }: AwaitTurnResponse) => ended?.reply && textOf(ended.reply);

const isGone = async (world: World, turnId: string): Promise<boolean> => {
  const text = "SELECT FROM turns WHERE turn_id = $1 AND caller_gone";
  return (await world.db.query(text, [turnId])).rowCount === 1;
};

/** The turn that was accepted last. */
async function lastTurn(world: World): Promise<string | undefined> {
  const text = `SELECT turn_id AS "turnId" FROM turns ORDER BY turn_id DESC LIMIT 1`;
  return (await world.db.query<{ turnId: string }>(text)).rows[0]?.turnId;
}

test.concurrent("a turn that ends in time is accepted and ended in one answer", async () => {
  const { world, replica } = await started();
  await using _ = world;
  const answer = await replica.client.awaitTurn({ submit: turnFor(world, "hello"), wait: LONG });
  expect(answer.accepted).toMatchObject({ disposition: Disposition.STARTED, position: 0 });
  expect(answer.ended).toMatchObject({ state: TurnState.COMPLETED, finishReason: "stop" });
  expect(said(answer)).toBe("echo: hello");
  expect(answer.waited && durationMs(answer.waited)).toBeGreaterThanOrEqual(0);
  expect(await isGone(world, answer.accepted?.turnId ?? "")).toBe(false);
});

test.concurrent("one that does not goes on, is attached to by its id, and no retry takes it for left", async () => {
  const { world, replica } = await started();
  await using _ = world;
  const held = gate();
  world.model.behaviour = heldAnswer(held.opened, "late");
  const generated: Submit = { keyIsGenerated: true };
  const early = await replica.client.awaitTurn({
    submit: turnFor(world, "hello", generated),
    wait: SHORT,
  });
  expect(early.ended).toBeUndefined();
  const turnId = early.accepted?.turnId ?? "";
  const retry = turnFor(world, "hello", { ...generated, clientRetryCount: 1 });
  const second = await replica.client.awaitTurn({ submit: retry, wait: SHORT });
  expect(second.accepted).toMatchObject({ disposition: Disposition.QUEUED, position: 1 });
  expect(second).not.toHaveProperty("waited", expect.anything());
  const attached = new Attached(replica, { turnId });
  held.open();
  expect((await attached.ended).state).toBe(TurnState.COMPLETED);
  expect(attached.turnId).toBe(turnId);
});

test.concurrent("the same request joins its turn, at another replica too", async () => {
  const { world, replica } = await started();
  await using _ = world;
  const other = await world.replica();
  const held = gate();
  world.model.behaviour = heldAnswer(held.opened, "heard once");
  const submit = turnFor(world, "hello", { idempotencyKey: "k" });
  const both = [replica, other].map(({ client }: Replica) =>
    client.awaitTurn({ submit, wait: LONG }),
  );
  await eventually(() => world.model.mostRunning === 1);
  held.open();
  const answers = await Promise.all(both);
  expect(answers.map(said)).toEqual(["heard once", "heard once"]);
  expect(answers[0]?.accepted?.turnId).toBe(answers[1]?.accepted?.turnId);
  const dispositions = answers.map(({ accepted }) => accepted?.disposition ?? 0);
  expect(new Set(dispositions)).toEqual(new Set([Disposition.STARTED, Disposition.JOINED]));
});

test.concurrent("who waits while the database is away is told the turn that was accepted, and that it goes on", async () => {
  await using world = await worlds.start();
  let isAway = false;
  const beforeStatement = async (): Promise<void> => {
    if (isAway) throw new DatabaseUnavailableError("no connection within 5 s");
  };
  const replica = await world.replica({ beforeStatement });
  await applyMain(replica);
  const held = gate();
  world.model.behaviour = heldAnswer(held.opened);
  const active = new Attached(replica, { submit: turnFor(world, "one") });
  await eventually(() => active.kinds.includes("textDelta"));
  const call = replica.client.awaitTurn({ submit: turnFor(world, "two"), wait: LONG });
  const waits = "SELECT FROM turns WHERE state = 1";
  await eventually(async () => (await world.db.query(waits)).rowCount === 1);
  isAway = true;
  const { accepted, ended } = await call;
  expect(ended).toBeUndefined();
  expect(accepted).toMatchObject({ disposition: Disposition.QUEUED, position: 1 });
  isAway = false;
  held.open();
  const turnId = accepted?.turnId ?? "";
  expect((await new Attached(replica, { turnId }).ended).state).toBe(TurnState.COMPLETED);
});

test.concurrent("who hangs up meanwhile was cut off, and the turn goes on", async () => {
  const { world, replica } = await started();
  await using _ = world;
  const held = gate();
  world.model.behaviour = heldAnswer(held.opened, "nobody hears it");
  const leaving = new AbortController();
  const call = replica.client.awaitTurn(
    { submit: turnFor(world, "hello"), wait: LONG },
    { signal: leaving.signal },
  );
  await eventually(() => world.model.mostRunning === 1);
  leaving.abort();
  await expect(call).rejects.toThrow();
  const turnId = (await lastTurn(world)) ?? "";
  await eventually(() => isGone(world, turnId));
  held.open();
  const { turn } = await eventually(async () => {
    const found = await replica.client.getTurn({ turnId });
    return found.turn?.state === TurnState.COMPLETED ? found : undefined;
  });
  expect(turn?.state).toBe(TurnState.COMPLETED);
});

test.concurrent("a retry that joined by what it says is known by its key, should its own call break", async () => {
  const { world, replica } = await started();
  await using _ = world;
  const held = gate();
  world.model.behaviour = heldAnswer(held.opened, "said once");
  const generated = (clientRetryCount: number) =>
    turnFor(world, "hello", { keyIsGenerated: true, clientRetryCount });
  const leaving = new AbortController();
  const call = replica.client.awaitTurn(
    { submit: generated(0), wait: LONG },
    { signal: leaving.signal },
  );
  await eventually(() => world.model.mostRunning === 1);
  leaving.abort();
  await expect(call).rejects.toThrow();
  const turnId = (await lastTurn(world)) ?? "";
  await eventually(() => isGone(world, turnId));
  const retry = generated(1);
  const joined = await replica.client.awaitTurn({ submit: retry, wait: SHORT });
  expect(joined.accepted).toMatchObject({ turnId, disposition: Disposition.JOINED });
  expect(await isGone(world, turnId)).toBe(false);
  // As a door does which does not know whether that call was accepted.
  const again = new Attached(replica, { submit: retry });
  held.open();
  expect((await again.ended).state).toBe(TurnState.COMPLETED);
  expect(again.turnId).toBe(turnId);
  expect(await lastTurn(world)).toBe(turnId);
});

test.concurrent.each([
  ["nothing to accept", { wait: LONG }, "submit"],
  ["no wait", {}, "wait"],
  ["a wait of nothing", { wait: durationFromMs(0) }, "wait"],
  ["a wait beyond the bound", { wait: durationFromMs(10_001) }, "wait"],
])(
  "%s is refused, and nothing is accepted",
  async (what, { wait }: { wait?: typeof LONG }, field) => {
    const { world, replica } = await started();
    await using _ = world;
    const submit = what === "nothing to accept" ? {} : { submit: turnFor(world, "hello") };
    const call = replica.client.awaitTurn({ ...submit, ...(wait === undefined ? {} : { wait }) });
    await expect(call).rejects.toMatchObject({ reason: "INVALID_REQUEST", metadata: { field } });
    expect(await lastTurn(world)).toBeUndefined();
  },
);
