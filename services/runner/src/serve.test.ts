import { TurnState } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { eventually } from "@lanekeeper/testing";
import { expect, test } from "vitest";
import { LIMITS } from "./limits.ts";
import { gate } from "./testing/gate.ts";
import { heldAnswer } from "./testing/model-double.ts";
import { applyMain, Attached, KEY, TENANT, turnFor } from "./testing/requests.ts";
import { testWorlds } from "./testing/test-worlds.ts";
import type { Replica } from "./testing/world.ts";

const worlds = testWorlds();

/** Holds each statement of this name until they are let go. */
function holding(name: string) {
  const [reached, going] = [gate(), gate()];
  const before = async (statement: string): Promise<void> => {
    if (statement !== name) return;
    reached.open();
    await going.opened;
  };
  const letGo = (): void => going.open();
  return { before, reached: reached.opened, letGo, [Symbol.dispose]: letGo };
}

/** Whether it has ended, some turns of the event loop later. */
async function hasEnded(work: Promise<void>): Promise<boolean> {
  let ended = false;
  void work.then(() => (ended = true));
  for (let turn = 0; turn < 100; turn++) await new Promise((resolve) => setImmediate(resolve));
  return ended;
}

/** A turn that waits, since the replica that accepted it runs as many as it may. */
async function waitingTurn(
  replica: Replica,
  submit: Parameters<Replica["client"]["submitTurn"]>[0],
) {
  const { runs } = replica.context;
  const ids = Array.from({ length: LIMITS.activeRunsPerReplica }, (_, n) => `full-${n}`);
  const place = { tenant: TENANT, sessionKey: undefined, log: replica.log.log };
  for (const runId of ids) runs.open({ ...place, turnId: runId, runId });
  const { turnId } = await replica.client.submitTurn(submit);
  for (const runId of ids) runs.close(runId);
  return turnId;
}

/** What was asked of the database after it had been closed. */
const late = ({ log }: Replica) =>
  log.lines.filter((line) => JSON.stringify(line).includes("pool"));

test.concurrent("a claim that is on its way when the time is over is waited for, and its turn goes back", async () => {
  await using world = await worlds.start();
  using held = holding("runner_claim_head");
  const a = await world.replica({ beforeStatement: held.before });
  await applyMain(a);
  world.model.behaviour = heldAnswer(Promise.resolve(), "here");
  const turnId = await waitingTurn(a, turnFor(world, "one"));
  a.context.runner.pump(TENANT, KEY, true);
  await held.reached;
  const drained = a.drain(AbortSignal.abort(new Error("the time is over")));
  expect(await hasEnded(drained)).toBe(false);
  held.letGo();
  await drained;
  expect(a.context.runs.size).toBe(0);
  await a.stop();
  const b = await world.replica();
  const { turn } = await b.client.getTurn({ turnId });
  expect(turn?.state).toBe(TurnState.QUEUED);
  expect(await new Attached(b, { turnId }).ended).toMatchObject({ state: TurnState.COMPLETED });
  expect(late(a)).toEqual([]);
});

test.concurrent("that a caller has left is written before the database is closed", async () => {
  await using world = await worlds.start();
  using held = holding("runner_detach");
  const a = await world.replica({ beforeStatement: held.before });
  await applyMain(a);
  world.model.behaviour = heldAnswer(new Promise(() => undefined));
  const attached = new Attached(a, { submit: turnFor(world, "one") }, { cancelOnDisconnect: true });
  await eventually(() => attached.kinds.includes("textDelta"));
  const cutOff = attached.ended.catch(() => undefined);
  const stopped = a.stop();
  await held.reached;
  expect(await hasEnded(stopped)).toBe(false);
  held.letGo();
  await Promise.all([stopped, cutOff]);
  expect(late(a)).toEqual([]);
});

test.concurrent("whoever is attached to a run that ends while its replica drains is told its end", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica);
  const held = gate();
  world.model.behaviour = heldAnswer(held.opened);
  const streamed = new Attached(replica, { submit: turnFor(world, "go", { key: "agent:main:a" }) });
  await eventually(() => streamed.kinds.includes("textDelta"));
  const submit = turnFor(world, "go", { key: "agent:main:b" });
  const awaited = replica.client.awaitTurn({ submit, wait: { seconds: 10n } });
  await eventually(() => world.model.running === 2);
  const drained = replica.drain(new AbortController().signal);
  held.open();
  expect((await streamed.ended).state).toBe(TurnState.COMPLETED);
  expect((await awaited).ended?.state).toBe(TurnState.COMPLETED);
  await drained;
});
