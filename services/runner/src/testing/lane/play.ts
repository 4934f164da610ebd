import { Overflow, TurnState } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { hasReason } from "@lanekeeper/rpc";
import { eventually } from "@lanekeeper/testing";
import fc from "fast-check";
import { expect } from "vitest";
import { isTerminal, stateOf } from "../../domain/turn-state.ts";
import { applyMain, Attached, turnFor } from "../requests.ts";
import type { World } from "../world.ts";
import { checkLane } from "./check-lane.ts";
import { type Command, commands } from "./commands.ts";
import { type Facts, interrupts } from "./facts.ts";
import type { Keys } from "./keys.ts";
import { Stage } from "./stage.ts";

const SEED = 20_240_611;

/** Everything that `check` wants of a lane, in so many plays. */
export async function playLane(world: World, keys: Keys, numRuns: number): Promise<void> {
  const first = await world.replica();
  // So few that they are often too many.
  await applyMain(first, { maxWaitingTurns: 3 });
  await first.stop();
  let runs = 0;
  await fc.assert(
    fc.asyncProperty(commands, fc.scheduler(), async (all, scheduler) => {
      runs += 1;
      const stage = new Stage(world, keys, scheduler, `agent:main:model-${runs}`);
      try {
        await stage.drive(Promise.all([stage.start(0), stage.start(1)]));
        const work = all.map((command, place) =>
          stage.turn(command.do).then(() => perform(stage, command, place)),
        );
        await stage.drive(Promise.all(work));
        await stage.drive(untilEnded(stage));
        const facts: Facts = { turns: stage.turns, commands: all, cancelled: stage.cancelled };
        await stage.drive(checkLane(world.db, stage.key, facts));
        await stage.drive(checkCallers(stage));
      } finally {
        await stage.stop();
      }
    }),
    { numRuns, seed: SEED, endOnFailure: true },
  );
}

async function perform(stage: Stage, command: Command, place: number): Promise<void> {
  const { key } = stage;
  switch (command.do) {
    case "submit":
      return submit(stage, command, place);
    case "cancel": {
      const turn = stage.turns[command.turn % Math.max(1, stage.turns.length)];
      if (turn === undefined) return;
      stage.cancelled.add(turn.turnId);
      await lost(stage.at(command.at).client.cancelTurn({ turnId: turn.turnId }));
      return;
    }
    case "reset":
      await lost(stage.keys.reset(key, command.skipsQueued));
      return;
    case "crash":
      stage.at(command.at).kill();
      await stage.start(command.at);
      await stage.expireLeases();
      return;
    case "lapse":
      await stage.expireLeases();
  }
}

/** What a replica that was killed was asked is answered by nobody. */
function lost<T>(call: Promise<T>): Promise<T | undefined> {
  const patience = new Promise<undefined>((resolve) => setTimeout(resolve, 3_000, undefined));
  return Promise.race([call.catch(() => undefined), patience]);
}

async function submit(
  stage: Stage,
  command: Command & { readonly do: "submit" },
  place: number,
): Promise<void> {
  const { world, key } = stage;
  const { onConflict, turnClass, dropsOldest } = command;
  const overflow = dropsOldest ? Overflow.DROP_OLDEST : Overflow.REJECT_NEW;
  const holds = command.holds && !interrupts({ command });
  const text = `${holds ? "hold" : "say"} ${place}`;
  const target = { case: "session" as const, value: await stage.keys.ref(key) };
  const request = turnFor(world, text, { key, target, onConflict, turnClass, overflow });
  // Asked again where no answer came, as every caller does, by the same key.
  for (;;) {
    const replica = stage.at(command.at);
    const answer = await lost(
      replica.client.submitTurn(request).catch((error: unknown) => {
        if (hasReason(error, "SESSION_BUSY", "QUEUE_FULL")) return "refused" as const;
        throw error;
      }),
    );
    if (answer === "refused") return;
    if (answer === undefined) continue;
    const { turnId } = answer;
    stage.turns.push({ text, turnId, command, place });
    const caller = new Attached(replica, { turnId });
    stage.attached.set(turnId, { caller, replica });
    return;
  }
}

async function openTurns({ world }: Stage, turnIds: readonly string[]): Promise<string[]> {
  const { rows } = await world.db.query<{ turnId: string; state: number }>(
    `SELECT turn_id AS "turnId", state::int FROM turns WHERE turn_id = ANY ($1)`,
    [turnIds],
  );
  return rows.filter(({ state }) => !isTerminal(stateOf(state))).map(({ turnId }) => turnId);
}

/** Those that interrupt, but for the ones that others joined: with a message that holds they hold too. */
async function hastyTurns({ world, turns }: Stage): Promise<string[]> {
  const { rows } = await world.db.query<{ turnId: string }>(
    `SELECT turn_id AS "turnId" FROM turns t WHERE turn_id = ANY ($1)
     AND NOT EXISTS (SELECT FROM turns s WHERE s.into_turn_id = t.turn_id)`,
    [turns.filter(interrupts).map(({ turnId }) => turnId)],
  );
  return rows.map(({ turnId }) => turnId);
}

/** Whoever interrupts does not wait for a turn that holds, whenever it came; then all the others end. */
async function untilEnded(stage: Stage): Promise<void> {
  const ends = (what: string, turnIds: () => Promise<readonly string[]>) =>
    eventually(async () => (await openTurns(stage, await turnIds())).length === 0, {
      timeoutMs: 60_000,
      what: `${what}, of ${JSON.stringify(stage.turns)}`,
    });
  await ends("those that interrupt end", () => hastyTurns(stage));
  stage.released.open();
  const all = stage.turns.map(({ turnId }) => turnId);
  await ends("all turns end", async () => all);
}

/**
 * Callers are told what is stored: for a turn that joined, what became of its host. Who was attached to
 * a replica that died attaches to another one, behind what it has heard.
 */
async function checkCallers(stage: Stage): Promise<void> {
  for (const [turnId, { caller, replica }] of stage.attached) {
    const afterStreamSeq = caller.events.at(-1)?.streamSeq ?? 0n;
    const told = replica.isDead
      ? new Attached(stage.at(0), { turnId }, { afterStreamSeq })
      : caller;
    const ended = await told.ended;
    const { rows } = await stage.world.db.query<{ state: number }>(
      `SELECT coalesce(h.state, t.state)::int AS state FROM turns t
       LEFT JOIN turns h ON t.state = ${TurnState.COALESCED} AND h.turn_id = t.into_turn_id
       WHERE t.turn_id = $1`,
      [turnId],
    );
    expect(ended.state).toBe(rows[0]?.state);
  }
}
