import { RunOutcome } from "@lanekeeper/protocol/lanekeeper/identity/v1/session";
import { TurnState } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { eventually } from "@lanekeeper/testing";
import { expect, test } from "vitest";
import { textOf } from "../domain/message-text.ts";
import { transcript } from "../testing/reading.ts";
import { applyMain, Attached, turnFor } from "../testing/requests.ts";
import type { Replica, World } from "../testing/world.ts";
import { testWorlds } from "../testing/test-worlds.ts";

const worlds = testWorlds();

/** Where a replica dies, and what of the turn's work was done by then. */
const DEATHS = [
  ["before it asks for its key", "before beginRun", { asked: 1, runs: 1 }],
  ["granted its key, and not active yet", "before runner_activate", { asked: 1, runs: 1 }],
  ["active, and the model not asked", "after runner_activate", { asked: 1, runs: 2 }],
  ["with its answer told and nothing stored", "before runner_prepare", { asked: 2, runs: 2 }],
  ["with its ending stored and not sent", "after runner_prepare", { asked: 1, runs: 1 }],
  ["with its ending sent and the answer not heard", "after ended", { asked: 1, runs: 1 }],
  ["with its ending accepted and nothing visible", "before runner_finish", { asked: 1, runs: 1 }],
  ["with its turn ended and nobody told", "after runner_finish", { asked: 1, runs: 1 }],
  ["with its reply not handed over", "before runner_claim_outbox", { asked: 1, runs: 1 }],
] as const;

type Done = (typeof DEATHS)[number][2];

test.concurrent.each(DEATHS)(
  "a replica dies %s: the turn is answered once, by whoever comes",
  async (_what, dieAt, done) => {
    await using world = await worlds.start();
    const doomed = await world.replica({ dieAt });
    const other = await world.replica();
    await applyMain(other);
    const submit = turnFor(world, "one", { routeId: "route-1" });
    const { turnId } = await doomed.client.submitTurn(submit);
    await eventually(() => doomed.isDead);
    await isAnsweredOnce(world, other, turnId, done, 0);
  },
);

test.each(DEATHS.filter(([, at]) => ["after runner_prepare", "after ended"].includes(at)))(
  "a process is killed %s: the turn is answered once, by whoever comes",
  async (_what, at, done) => {
    await using world = await worlds.start();
    const doomed = await world.process({ at, signal: "SIGKILL" });
    const other = await world.replica();
    await applyMain(other);
    const submit = turnFor(world, "one", { routeId: "route-1" });
    // Whether it could answer before it died or not: the same request is the same turn.
    const { turnId } = await doomed.client
      .submitTurn(submit)
      .catch(() => other.client.submitTurn(submit));
    await eventually(() => doomed.isDead);
    await isAnsweredOnce(world, other, turnId, done, doomed.asked);
  },
);

async function isAnsweredOnce(
  world: World,
  other: Replica,
  turnId: string,
  done: Done,
  askedElsewhere: number,
): Promise<void> {
  await world.expireLeases();
  // A claimed outbox row is left for as long as a hand-over may take.
  await world.db.query("UPDATE outbox SET next_attempt_time = clock_timestamp()");
  const ended = await new Attached(other, { turnId }).ended;
  expect(ended.state).toBe(TurnState.COMPLETED);
  expect(ended.reply && textOf(ended.reply)).toBe("echo: one");
  expect(await transcript(other)).toEqual(["one", "echo: one"]);
  expect(askedElsewhere + world.model.asked.length).toBe(done.asked);
  const { turn } = await other.client.getTurn({ turnId });
  expect(turn?.runs.length).toBe(done.runs);
  expect(world.identity.endings.map(({ outcome }) => outcome)).toEqual([RunOutcome.COMPLETED]);
  await eventually(() => world.delivery.taken.length === 1);
  expect(world.delivery.taken[0]).toMatchObject({ turnId, text: "echo: one" });
  // The lane is free for the next.
  const next = await new Attached(other, { submit: turnFor(world, "two") }).ended;
  expect(next.state).toBe(TurnState.COMPLETED);
}

test.each([
  ["while its model answers", ""],
  ["with its ending accepted and nothing visible", "before runner_finish"],
])(
  "a process is stopped for longer than its lease %s, and awake again: it commits nothing, who took over commits once",
  async (_what, at) => {
    await using world = await worlds.start();
    const leaseMs = 2_000;
    const sleeper = await world.process({ at, signal: "SIGSTOP", leaseMs });
    const other = await world.replica({ leaseMs });
    await applyMain(other);
    const submit = turnFor(world, at === "" ? "hold one" : "one");
    const { turnId } = await sleeper.client.submitTurn(submit);
    await eventually(() => sleeper.asked === 1);
    if (at === "") sleeper.signal("SIGSTOP");
    else await eventually(() => world.identity.endings.length === 1);
    expect((await new Attached(other, { turnId }).ended).state).toBe(TurnState.COMPLETED);
    const said = await transcript(other);
    expect(said.length).toBe(2);
    expect(world.identity.endings.length).toBe(1);
    sleeper.signal("SIGCONT");
    if (at === "") sleeper.say("go");
    // It has gone on to its end: it serves again.
    const key = "agent:main:elsewhere";
    const next = await sleeper.client.submitTurn(turnFor(world, "next", { key }));
    await eventually(async () => {
      const { turn } = await sleeper.client.getTurn({ turnId: next.turnId });
      return turn?.state === TurnState.COMPLETED;
    });
    expect(await transcript(other)).toEqual(said);
    expect(world.identity.endings.filter((one) => one.turnId === turnId).length).toBe(1);
    const { turn } = await other.client.getTurn({ turnId });
    expect(turn?.runs.filter(({ outcome }) => outcome === RunOutcome.COMPLETED).length).toBe(1);
    const after = await new Attached(other, { submit: turnFor(world, "two") }).ended;
    expect(after.state).toBe(TurnState.COMPLETED);
  },
);
