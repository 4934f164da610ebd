import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { Disposition, OnConflict, TurnState } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { eventually } from "@lanekeeper/testing";
import { expect, test } from "vitest";
import { gate } from "../testing/gate.ts";
import { echo, heldAnswer } from "../testing/model-double.ts";
import { applyMain, Attached, type Submit, turnFor } from "../testing/requests.ts";
import { transcript } from "../testing/reading.ts";
import { testWorlds } from "../testing/test-worlds.ts";

const worlds = testWorlds();

const COALESCE: Submit = { onConflict: OnConflict.COALESCE };
const IN_AN_HOUR: Submit = { maxWait: durationFromMs(3_600_000) };

/** A lane that a run holds. */
async function heldLane() {
  const world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica);
  const held = gate();
  world.model.behaviour = heldAnswer(held.opened);
  const active = new Attached(replica, { submit: turnFor(world, "active") });
  await eventually(() => active.kinds.includes("textDelta"));
  return { world, replica, held, active };
}

test.concurrent("whoever coalesced is told which turn answered it, and that turn's own callers are not", async () => {
  const { world, replica, held } = await heldLane();
  await using _ = world;
  const host = new Attached(replica, { submit: turnFor(world, "host") });
  await eventually(() => host.kinds.includes("queued"));
  const guest = new Attached(replica, { submit: turnFor(world, "guest", COALESCE) });
  await eventually(() => guest.kinds.includes("accepted"));
  // It reads what the guest has read before it.
  const later = new Attached(replica, { turnId: host.turnId });
  await eventually(() => later.kinds.includes("queued"));
  held.open();
  expect((await guest.ended).intoTurnId).toBe(host.turnId);
  expect((await later.ended).intoTurnId).toBe("");
  expect((await host.ended).intoTurnId).toBe("");
});

test.concurrent("what did not ask to go first does not, by joining a turn that interrupts: it overtook what was accepted before it", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica);
  const held = gate();
  // However it is asked to stop.
  world.model.behaviour = async function* (request) {
    await held.opened;
    yield* echo(request);
  };
  const active = new Attached(replica, { submit: turnFor(world, "active") });
  await eventually(() => world.model.asked.length === 1);
  const submit = (text: string, more: Submit = {}, principal = "p1") =>
    replica.client.submitTurn(turnFor(world, text, more), { principal });
  await submit("before", {}, "p2");
  const now = await submit("now", { onConflict: OnConflict.INTERRUPT });
  const also = await submit("also", COALESCE);
  expect(also).toMatchObject({ disposition: Disposition.QUEUED, intoTurnId: "" });
  // Of the same principal and last among those that wait their turn.
  expect(await submit("and", COALESCE)).toMatchObject({ intoTurnId: also.turnId });
  held.open();
  expect((await active.ended).state).toBe(TurnState.INTERRUPTED);
  await new Attached(replica, { turnId: now.turnId }).ended;
  await new Attached(replica, { turnId: also.turnId }).ended;
  const said = (await transcript(replica)).filter((text) => !text.startsWith("echo"));
  expect(said).toEqual(["active", "now", "before", "also", "and"]);
});

test.concurrent("a turn does not join one that gives up before it would, nor does one that gives up itself", async () => {
  const { world, replica, held, active } = await heldLane();
  await using _ = world;
  const submit = (text: string, more: Submit) =>
    replica.client.submitTurn(turnFor(world, text, more));
  await submit("gives up", IN_AN_HOUR);
  const patient = await submit("patient", COALESCE);
  expect(patient.disposition).toBe(Disposition.QUEUED);
  expect((await submit("gives up too", { ...COALESCE, ...IN_AN_HOUR })).disposition).toBe(
    Disposition.QUEUED,
  );
  await submit("host", {});
  expect((await submit("joins", COALESCE)).disposition).toBe(Disposition.COALESCED);
  held.open();
  expect((await active.ended).state).toBe(TurnState.COMPLETED);
});
