import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { RunOutcome } from "@lanekeeper/protocol/lanekeeper/identity/v1/session";
import { TurnClass } from "@lanekeeper/protocol/lanekeeper/identity/v1/lifecycle";
import {
  Disposition,
  OnConflict,
  Overflow,
  TurnState,
} from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { eventually } from "@lanekeeper/testing";
import { describe, expect, test } from "vitest";
import { gate } from "../testing/gate.ts";
import { heldAnswer } from "../testing/model-double.ts";
import { transcript } from "../testing/reading.ts";
import { applyMain, Attached, KEY, type Submit, turnFor } from "../testing/requests.ts";
import type { Replica } from "../testing/world.ts";
import { testWorlds } from "../testing/test-worlds.ts";

const worlds = testWorlds();

interface Outcome {
  /** The turn that runs, when the new one comes. */
  readonly active: string;
  /** The turn that waits, and the new one; `into` names the turn that answers it. */
  readonly queued: string;
  readonly new: string;
  readonly transcript: readonly string[];
  /** What each attached caller read: its own text deltas and how it ended. */
  readonly callers: readonly string[];
  /** What session-identity recorded, in order: the outcomes of runs. */
  readonly journal: readonly string[];
}

/**
 * The policies, as a table. One turn runs ("active", which has said "he"), one waits ("queued"), and one
 * comes with the policy ("new"), all three with a caller attached.
 */
const TABLE: Readonly<Record<Exclude<keyof typeof OnConflict, "UNSPECIFIED">, Outcome>> = {
  ENQUEUE: {
    active: "COMPLETED",
    queued: "COMPLETED",
    new: "QUEUED, COMPLETED",
    transcript: ["active", "held", "queued", "echo: queued", "new", "echo: new"],
    callers: ["held COMPLETED", "echo: queued COMPLETED", "echo: new COMPLETED"],
    journal: ["active COMPLETED", "queued COMPLETED", "new COMPLETED"],
  },
  REJECT: {
    active: "COMPLETED",
    queued: "COMPLETED",
    new: "SESSION_BUSY",
    transcript: ["active", "held", "queued", "echo: queued"],
    callers: ["held COMPLETED", "echo: queued COMPLETED", "SESSION_BUSY"],
    journal: ["active COMPLETED", "queued COMPLETED"],
  },
  INTERRUPT: {
    active: "INTERRUPTED",
    queued: "COMPLETED",
    new: "QUEUED, COMPLETED",
    transcript: ["active", "new", "echo: new", "queued", "echo: queued"],
    callers: ["he INTERRUPTED", "echo: queued COMPLETED", "echo: new COMPLETED"],
    journal: ["active INTERRUPTED", "new COMPLETED", "queued COMPLETED"],
  },
  ROLLBACK: {
    active: "INTERRUPTED",
    queued: "COMPLETED",
    new: "QUEUED, COMPLETED",
    transcript: ["new", "echo: new", "queued", "echo: queued"],
    callers: ["he INTERRUPTED", "echo: queued COMPLETED", "echo: new COMPLETED"],
    journal: ["active INTERRUPTED", "new COMPLETED", "queued COMPLETED"],
  },
  COALESCE: {
    active: "COMPLETED",
    queued: "COMPLETED",
    new: "COALESCED into queued, COALESCED",
    transcript: ["active", "held", "queued", "new", "echo: new"],
    callers: ["held COMPLETED", "echo: new COMPLETED", "echo: new COMPLETED"],
    journal: ["active COMPLETED", "queued COMPLETED"],
  },
  STEER: {
    active: "COMPLETED",
    queued: "COMPLETED",
    new: "STEERED into active, COALESCED",
    transcript: ["active", "held", "new", "echo: new", "queued", "echo: queued"],
    callers: [
      "held\n\necho: new COMPLETED",
      "echo: queued COMPLETED",
      "held\n\necho: new COMPLETED",
    ],
    journal: ["active COMPLETED", "queued COMPLETED"],
  },
};

type Row = [Exclude<keyof typeof OnConflict, "UNSPECIFIED">, Outcome];

describe.each(Object.entries(TABLE) as Row[])("on_conflict %s", (policy, expected) => {
  test.concurrent("has the outcome that the table states, asked for by the request", async () => {
    expect(await outcomeOf({ onConflict: OnConflict[policy] }, {})).toEqual(expected);
  });

  test.concurrent("and the same as the agent's default", async () => {
    expect(await outcomeOf({}, { onConflict: OnConflict[policy] })).toEqual(expected);
  });
});

async function outcomeOf(
  asked: Submit,
  agent: NonNullable<Parameters<typeof applyMain>[1]>,
): Promise<Outcome> {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica);
  const held = gate();
  const echo = world.model.behaviour;
  world.model.behaviour = heldAnswer(held.opened);
  const active = new Attached(replica, { submit: turnFor(world, "active") });
  await eventually(() => active.kinds.includes("textDelta"));
  world.model.behaviour = echo;
  const queued = new Attached(replica, { submit: turnFor(world, "queued") });
  await eventually(() => queued.kinds.includes("queued"));
  await applyMain(replica, agent);
  const fresh = new Attached(replica, { submit: turnFor(world, "new", asked) });
  const refusal = fresh.ended.catch((error: unknown) => error as Error & { reason?: string });
  let isAnswered = false;
  void refusal.then(() => {
    isAnswered = true;
  });
  await eventually(() => isAnswered || fresh.kinds.includes("accepted"));
  held.open();
  const ended = [await active.ended, await queued.ended];
  const last = await refusal;
  const names = new Map([
    [active.turnId, "active"],
    [queued.turnId, "queued"],
    [fresh.turnId, "new"],
  ]);
  const stateOf = async (turnId: string) =>
    nameOf(TurnState, (await replica.client.getTurn({ turnId })).turn?.state);
  const isRefused = last instanceof Error;
  return {
    active: await stateOf(active.turnId),
    queued: await stateOf(queued.turnId),
    new: isRefused
      ? (last.reason ?? "")
      : `${dispositionOf(fresh, names)}, ${await stateOf(fresh.turnId)}`,
    transcript: await transcript(replica),
    callers: [
      ...[active, queued].map(({ text }, n) => `${text} ${nameOf(TurnState, ended[n]?.state)}`),
      isRefused ? (last.reason ?? "") : `${fresh.text} ${nameOf(TurnState, last.state)}`,
    ],
    journal: world.identity.endings.map(
      ({ turnId, outcome }) => `${names.get(turnId)} ${nameOf(RunOutcome, outcome)}`,
    ),
  };
}

function nameOf(names: Readonly<Record<string, number>>, value: number | undefined): string {
  return Object.keys(names).find((name) => names[name] === value) ?? `${value}`;
}

function dispositionOf(attached: Attached, names: ReadonlyMap<string, string>): string {
  const { event } = attached.events.find((one) => one.event.case === "accepted") ?? {};
  if (event?.case !== "accepted") return "";
  const { disposition, intoTurnId } = event.value;
  const into = intoTurnId === "" ? "" : ` into ${names.get(intoTurnId)}`;
  return `${nameOf(Disposition, disposition)}${into}`;
}

async function waiting(replica: Replica): Promise<string[]> {
  const { lane } = await replica.client.getLane({ sessionKey: KEY });
  return lane?.queuedTurns.map(({ turnId }) => turnId) ?? [];
}

/** A lane that a run holds, with room for two that wait. */
async function heldLane(agent: NonNullable<Parameters<typeof applyMain>[1]> = {}) {
  const world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica, { maxWaitingTurns: 2, ...agent });
  const held = gate();
  world.model.behaviour = heldAnswer(held.opened);
  const active = new Attached(replica, { submit: turnFor(world, "active") });
  await eventually(() => active.kinds.includes("textDelta"));
  return { world, replica, held, active };
}

test.concurrent("drop_oldest skips the oldest that waits and tells its callers; reject_new refuses", async () => {
  const { world, replica, held } = await heldLane({ overflow: Overflow.DROP_OLDEST });
  await using _ = world;
  const first = new Attached(replica, { submit: turnFor(world, "first") });
  await eventually(() => first.kinds.includes("queued"));
  const guest = new Attached(replica, {
    submit: turnFor(world, "guest", { onConflict: OnConflict.COALESCE }),
  });
  await eventually(() => guest.kinds.includes("accepted"));
  const second = await replica.client.submitTurn(turnFor(world, "second"));
  const third = await replica.client.submitTurn(turnFor(world, "third"));
  const skipped = { state: TurnState.SKIPPED, errorReason: "TURN_SKIPPED" };
  expect(await first.ended).toMatchObject({
    ...skipped,
    errorMessage: `the lane was full, and the turn ${third.turnId} took its place`,
  });
  expect(await guest.ended).toMatchObject(skipped);
  expect(await waiting(replica)).toEqual([second.turnId, third.turnId]);
  const refused = turnFor(world, "fourth", { overflow: Overflow.REJECT_NEW });
  await expect(replica.client.submitTurn(refused)).rejects.toMatchObject({ reason: "QUEUE_FULL" });
  const busy = turnFor(world, "fifth", { onConflict: OnConflict.REJECT });
  await expect(replica.client.submitTurn(busy)).rejects.toMatchObject({ reason: "SESSION_BUSY" });
  expect(await waiting(replica)).toEqual([second.turnId, third.turnId]);
  held.open();
  await eventually(async () => (await transcript(replica)).length === 6);
  expect(await transcript(replica)).toEqual(["active", "held", "second", "held", "third", "held"]);
});

test.concurrent("what goes first, what has run, a subagent's result, and for the system a person's turn, is not dropped", async () => {
  const { world, replica, held, active } = await heldLane({ overflow: Overflow.DROP_OLDEST });
  await using _ = world;
  const person = await replica.client.submitTurn(turnFor(world, "person"));
  const other = await replica.client.submitTurn(turnFor(world, "other"));
  const system = turnFor(world, "system", { turnClass: TurnClass.SYSTEM });
  await expect(replica.client.submitTurn(system)).rejects.toMatchObject({ reason: "QUEUE_FULL" });
  await world.db.query("UPDATE turns SET run_count = 1 WHERE turn_id = $1", [person.turnId]);
  await world.db.query("UPDATE turns SET front = true WHERE turn_id = $1", [other.turnId]);
  await expect(replica.client.submitTurn(turnFor(world, "late"))).rejects.toMatchObject({
    reason: "QUEUE_FULL",
  });
  expect(new Set(await waiting(replica))).toEqual(new Set([person.turnId, other.turnId]));
  await world.db.query(
    "UPDATE turns SET front = false, child_turn_id = gen_random_uuid() WHERE turn_id = $1",
    [other.turnId],
  );
  await expect(replica.client.submitTurn(turnFor(world, "later"))).rejects.toMatchObject({
    reason: "QUEUE_FULL",
  });
  held.open();
  await active.ended;
});

test.concurrent("debounce bounds what is coalesced, by the request before the agent", async () => {
  const { world, replica, held, active } = await heldLane({
    onConflict: OnConflict.COALESCE,
    debounce: durationFromMs(3_600_000),
    maxWaitingTurns: 10,
  });
  await using _ = world;
  const host = await replica.client.submitTurn(turnFor(world, "host"));
  await world.db.query(
    "UPDATE turns SET accept_time = accept_time - interval '60 s' WHERE turn_id = $1",
    [host.turnId],
  );
  const joins = turnFor(world, "joins");
  const into = { intoTurnId: host.turnId, position: 1 };
  expect(await replica.client.submitTurn(joins)).toMatchObject({
    disposition: Disposition.COALESCED,
    ...into,
  });
  expect(await replica.client.submitTurn(joins)).toMatchObject({
    disposition: Disposition.JOINED,
    ...into,
  });
  const alone = turnFor(world, "too late", { debounce: durationFromMs(59_000) });
  expect((await replica.client.submitTurn(alone)).disposition).toBe(Disposition.QUEUED);
  const tooLong = turnFor(world, "x", { debounce: durationFromMs(3_600_001) });
  await expect(replica.client.submitTurn(tooLong)).rejects.toMatchObject({
    reason: "INVALID_REQUEST",
  });
  held.open();
  await active.ended;
});

test.concurrent("who has waited for busy_hint_after is told once that the agent is busy", async () => {
  const { world, replica, held } = await heldLane({ busyHintAfter: durationFromMs(300) });
  await using _ = world;
  const waits = new Attached(replica, { submit: turnFor(world, "waits") });
  const hints = () =>
    waits.events.flatMap(({ event }) => (event.case === "queued" ? [event.value.isBusyHint] : []));
  await eventually(() => hints().includes(true));
  const other = await replica.client.submitTurn(
    turnFor(world, "now", { onConflict: OnConflict.COALESCE, routeId: "elsewhere" }),
  );
  expect(other.disposition).toBe(Disposition.QUEUED);
  held.open();
  await waits.ended;
  // Whoever is told its place late on a busy machine is told both in one.
  expect(hints().filter(Boolean)).toEqual([true]);
  expect(hints().at(-1)).toBe(true);
  const hint = waits.events.find(({ event }) => event.case === "queued" && event.value.isBusyHint);
  if (hint?.event.case !== "queued") throw new Error("no hint");
  expect(hint.event.value).toMatchObject({ position: 1 });
  expect(hint.event.value.holderRunId).not.toBe("");
});
