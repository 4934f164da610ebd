import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { Disposition, OnConflict, TurnState } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { eventually } from "@lanekeeper/testing";
import { expect, test } from "vitest";
import { LIMITS } from "../limits.ts";
import { gate } from "../testing/gate.ts";
import { heldAnswer } from "../testing/model-double.ts";
import { applyMain, Attached, KEY, turnFor } from "../testing/requests.ts";
import { testWorlds } from "../testing/test-worlds.ts";

const worlds = testWorlds();

test.concurrent("a retry that shows no key joins the turn whose caller was cut off, and no other", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica);
  const held = gate();
  world.model.behaviour = heldAnswer(held.opened);
  const generated = () => turnFor(world, "hello", { keyIsGenerated: true, clientRetryCount: 0 });
  const first = new Attached(replica, { submit: generated() });
  await eventually(() => first.kinds.includes("textDelta"));
  const early = await replica.client.submitTurn({ ...generated(), clientRetryCount: 1 });
  expect(early.disposition).toBe(Disposition.QUEUED);
  first.leave();
  const isGone = "SELECT FROM turns WHERE turn_id = $1 AND caller_gone";
  await eventually(async () => (await world.db.query(isGone, [first.turnId])).rowCount === 1);
  const retry = new Attached(replica, { submit: { ...generated(), clientRetryCount: 1 } });
  await eventually(() => retry.kinds.includes("textDelta"));
  expect(retry.turnId).toBe(first.turnId);
  held.open();
  expect((await retry.ended).state).toBe(TurnState.COMPLETED);
});

test.concurrent("a retry that shows no key is no retry of a turn that ended long before", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica);
  const generated = (clientRetryCount: number) =>
    turnFor(world, "yes", { keyIsGenerated: true, clientRetryCount });
  const first = new Attached(replica, { submit: generated(0) });
  await first.ended;
  await replica.client.reportCutOff({ turnId: first.turnId });
  const retry = await replica.client.submitTurn(generated(1));
  expect(retry).toMatchObject({ turnId: first.turnId, disposition: Disposition.JOINED });
  await world.db.query(
    "UPDATE turns SET end_time = end_time - $2 * interval '1 ms' WHERE turn_id = $1",
    [first.turnId, LIMITS.retriesComeWithinMs],
  );
  const later = await replica.client.submitTurn(generated(1));
  expect(later.turnId).not.toBe(first.turnId);
});

test.concurrent("somebody else who attaches is not the turn's caller, neither coming nor leaving", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica);
  const held = gate();
  world.model.behaviour = heldAnswer(held.opened);
  const isGone = async (turnId: string) =>
    (await world.db.query("SELECT FROM turns WHERE turn_id = $1 AND caller_gone", [turnId]))
      .rowCount === 1;
  const watch = async ({ turnId }: Attached) => {
    const watching = new Attached(replica, { turnId }, { principal: "operator" });
    await eventually(() => watching.kinds.includes("textDelta"));
    return watching;
  };
  const hello = (clientRetryCount: number) =>
    turnFor(world, "hello", { keyIsGenerated: true, clientRetryCount });
  const caller = new Attached(replica, { submit: hello(0) });
  await eventually(() => caller.kinds.includes("textDelta"));
  const leaving = await watch(caller);
  leaving.leave();
  await leaving.ended.catch(() => undefined);
  await eventually(() => replica.context.attachments.total === 1);
  const other = await replica.client.submitTurn(hello(1));
  expect(other.disposition).toBe(Disposition.QUEUED);
  expect(await isGone(caller.turnId)).toBe(false);
  caller.leave();
  await eventually(() => isGone(caller.turnId));
  await watch(caller);
  expect(await isGone(caller.turnId)).toBe(true);
  const retry = new Attached(replica, { submit: hello(1) });
  await eventually(() => retry.kinds.includes("textDelta"));
  expect(retry.turnId).toBe(caller.turnId);
  held.open();
  await retry.ended;
});

test.concurrent("a caller who was told of no end joins it later; another key and a second yes do not", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica);
  const yes = (clientRetryCount: number, key = KEY) => {
    const fingerprint = new Uint8Array([1]);
    return turnFor(world, "yes", { key, fingerprint, keyIsGenerated: true, clientRetryCount });
  };
  const first = new Attached(replica, { submit: yes(0) });
  await first.ended;
  const second = new Attached(replica, { submit: yes(1) });
  expect((await second.ended).state).toBe(TurnState.COMPLETED);
  expect(second.turnId).not.toBe(first.turnId);
  await replica.client.reportCutOff({ turnId: first.turnId });
  const elsewhere = await replica.client.submitTurn(yes(1, "agent:main:elsewhere"));
  expect(elsewhere.disposition).toBe(Disposition.STARTED);
  const retry = new Attached(replica, { submit: yes(1) });
  expect((await retry.ended).reply).toEqual((await first.ended).reply);
  expect(retry.turnId).toBe(first.turnId);
  const third = new Attached(replica, { submit: yes(1) });
  await third.ended;
  expect(third.turnId).not.toBe(first.turnId);
});

/** "yes" as one client says it, however often. */
function sayings(world: Parameters<typeof turnFor>[0]) {
  return (clientRetryCount: number, more: object = {}) => {
    const fingerprint = new Uint8Array([1]);
    return turnFor(world, "yes", { fingerprint, keyIsGenerated: true, clientRetryCount, ...more });
  };
}

test.concurrent("who asks the same anew after being cut off retries what was asked anew", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica);
  const yes = sayings(world);
  const ended = async (turn: ReturnType<typeof yes>) => {
    const attached = new Attached(replica, { submit: turn });
    await attached.ended;
    return attached.turnId;
  };
  const first = await ended(yes(0));
  await replica.client.reportCutOff({ turnId: first });
  const second = await ended(yes(0));
  expect(second).not.toBe(first);
  // The third never arrived; its retry does.
  const third = await ended(yes(1));
  expect([first, second]).not.toContain(third);
  await replica.client.reportCutOff({ turnId: second });
  await replica.client.reportCutOff({ turnId: third });
  expect(await ended(yes(1))).toBe(third);
});

test.concurrent("two that were cut off at once are each joined by a retry", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica);
  const yes = sayings(world);
  const taps = [];
  for (let tap = 0; tap < 2; tap++) taps.push((await replica.client.submitTurn(yes(0))).turnId);
  for (const turnId of taps) await replica.client.reportCutOff({ turnId });
  const joined = [];
  for (const _ of taps) {
    const retry = new Attached(replica, { submit: yes(1) });
    await retry.ended;
    joined.push(retry.turnId);
  }
  expect(joined.sort()).toEqual(taps.sort());
});

test.concurrent("who asks anew and is refused retries that, and not the turn that it was cut off from", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica);
  const yes = sayings(world);
  const held = gate();
  world.model.behaviour = heldAnswer(held.opened);
  const first = new Attached(replica, { submit: yes(0) });
  await eventually(() => first.kinds.includes("textDelta"));
  await replica.client.reportCutOff({ turnId: first.turnId });
  const anew = replica.client.submitTurn(yes(0, { onConflict: OnConflict.REJECT }));
  await expect(anew).rejects.toMatchObject({ reason: "SESSION_BUSY" });
  const retry = await replica.client.submitTurn(yes(1));
  expect(retry.turnId).not.toBe(first.turnId);
  held.open();
  await first.ended;
});

test.concurrent("a retry joins no turn from before its first try, where the door knows when that was", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica);
  const yes = sayings(world);
  const first = new Attached(replica, { submit: yes(0) });
  await first.ended;
  await replica.client.reportCutOff({ turnId: first.turnId });
  const asked = (ms: number) =>
    replica.client.submitTurn(yes(1, { firstTryAge: durationFromMs(ms) }));
  expect((await asked(600_000)).turnId).toBe(first.turnId);
  expect((await asked(1)).turnId).not.toBe(first.turnId);
});
