import { isUniqueViolation } from "@lanekeeper/postgres";
import type { Ids } from "@lanekeeper/service";
import type { Effects } from "../domain/decision.ts";
import { hasSession } from "../domain/key-state.ts";
import { LIMITS } from "../limits.ts";
import type { Replica } from "../replica.ts";
import { KnownWrites, type Written } from "../store/batch/known-writes.ts";
import type { Found } from "../store/batch/look-up.ts";
import type { Told } from "../store/batch/write-batch.ts";
import type { Db } from "../store/db.ts";
import { acceptedRow } from "../store/journal/journal-rows.ts";
import type { Ask, Command, Result } from "./command.ts";
import type { DatabaseClock } from "./database-clock.ts";
import { decide } from "./decide.ts";
import type { KnownKey, KnownKeys } from "./known-keys.ts";

/** What a replica remembers between its batches. */
export interface Memory {
  readonly keys: KnownKeys;
  readonly clock: DatabaseClock;
}

export interface KnownContext {
  readonly db: Db;
  readonly ids: Ids;
  readonly replica: Replica;
  readonly memory: Memory;
}

/** What was decided by memory, and stands. The other commands are as if they had not been looked at. */
export interface KnownDone {
  readonly results: ReadonlyMap<Command, Result>;
  readonly tells: Told;
  /** Commands that were decided by what had changed meanwhile, with that: they are to be decided anew. */
  readonly outdated: ReadonlyMap<Command, KnownKey>;
}

const NOTHING: KnownDone = { results: new Map(), tells: "nothing", outdated: new Map() };

/** A command that was decided by memory. */
interface Guess {
  readonly command: Command;
  readonly known: KnownKey;
  readonly answer: Result;
  readonly effects: Effects;
  readonly after: Omit<KnownKey, "xid">;
}

/**
 * Begins and ends runs of keys that this replica wrote last by a compare-and-set, without reading or locking
 * them first: one statement writes those whose rows are still what they were. Rows tell their writer's
 * transaction, so every change is seen, whoever made it. What is not plainly granted is not decided here.
 */
export async function writeKnown(
  context: KnownContext,
  commands: readonly Command[],
): Promise<KnownDone> {
  const { db, replica, memory } = context;
  const { nowMs } = memory.clock;
  if (nowMs === undefined) return NOTHING;
  const guesses = guessesOf(context, commands, nowMs);
  const [first] = guesses;
  if (first === undefined) return NOTHING;
  const writes = new KnownWrites();
  for (const [index, guess] of guesses.entries()) note(writes, index + 1, guess, replica, nowMs);
  const { postmasterStartMs } = first.known;
  const at = { nowMs, postmasterStartMs, toleranceMs: LIMITS.knownClockMs };
  const written = await writes.flush(db, guesses.map(lastSeen), at).catch(whyNone);
  const results = remember(memory, guesses, written);
  const tells = results.size > 0 && writes.tells ? "changes" : "nothing";
  const outdated = guesses.filter(({ command }) => !results.has(command));
  return { results, tells, outdated: new Map(outdated.map((one) => [one.command, one.known])) };
}

function note(
  writes: KnownWrites,
  place: number,
  { command: { tenant, sessionKey, asker }, effects, after }: Guess,
  replica: Replica,
  nowMs: number,
): void {
  const about = { tenant, sessionKey, nowMs, ruleSetVersion: replica.rules.version, asker };
  writes.key(place, after.state);
  for (const run of effects.newRuns ?? []) writes.newRun(place, tenant, run);
  for (const run of effects.runs ?? []) writes.run(place, tenant, run);
  for (const draft of effects.journal ?? []) writes.journal(place, acceptedRow(about, draft));
}

/** Of one server's life: a key that was written in an earlier one is read again. */
function guessesOf(
  { memory, ids }: KnownContext,
  commands: readonly Command[],
  nowMs: number,
): Guess[] {
  const guesses: Guess[] = [];
  for (const command of commands) {
    const known = memory.keys.get(command);
    const guess = known && guessOf(command, known, nowMs, ids);
    const startMs = guesses[0]?.known.postmasterStartMs ?? known?.postmasterStartMs;
    if (guess !== undefined && known?.postmasterStartMs === startMs) guesses.push(guess);
  }
  return guesses;
}

function guessOf(command: Command, known: KnownKey, nowMs: number, ids: Ids): Guess | undefined {
  if (!isEnough(command.ask, known)) return undefined;
  const found = foundOf(command.ask, known, nowMs);
  const decision = decide(command, known.state, found, ids);
  if ("refusal" in decision) return undefined;
  const { answer, effects } = decision;
  // A rollover counts replies, which are not remembered, and changes more of a key.
  if (effects.generations !== undefined && effects.generations.length > 0) return undefined;
  const after = knownAfter(command.ask, effects, found, known);
  return after && { command, known, answer, effects, after };
}

/** A run that takes a free key, and one that ends which holds it: all else needs more than the row. */
function isEnough(ask: Ask, { state, activeRun, policy }: KnownKey): boolean {
  if (ask.kind === "begin") {
    // A late repeat of the run that ended last would undo the statement for all of its batch.
    const isRepeat = state.session.lastRun?.runId === ask.command.runId;
    return state.session.activeRun === undefined && policy !== undefined && !isRepeat;
  }
  if (ask.kind !== "write_run" || ask.command.event.kind !== "ended") return false;
  return activeRun !== undefined && activeRun.runId === ask.command.fence.runId;
}

/**
 * What a look-up would find. That a run which begins is new is told by the primary key of runs; floors are
 * first contacts' alone, and replies are counted for rotations.
 */
function foundOf(ask: Ask, known: KnownKey, nowMs: number): Found {
  return {
    nowMs,
    postmasterStartMs: known.postmasterStartMs,
    runIdsFromMs: known.runIdsFromMs,
    generationFloor: 0n,
    epochFloor: 0n,
    revisionFloor: 0n,
    run: ask.kind === "begin" ? undefined : known.activeRun,
    activeRun: undefined,
    event: undefined,
    reply: undefined,
    request: undefined,
    source: undefined,
    sendingCount: 0,
    policy: known.policy?.policy,
    policyVersion: known.policy?.version,
  };
}

/** A key as an accepted command leaves it; undefined where the command tells too little of it. */
export function knownAfter(
  ask: Ask,
  { state, newRuns }: Effects,
  found: Found,
  before: KnownKey | undefined,
): Omit<KnownKey, "xid"> | undefined {
  if (!hasSession(state)) return undefined;
  const { postmasterStartMs, runIdsFromMs, policy, policyVersion } = found;
  switch (ask.kind) {
    case "begin": {
      const judged = policyVersion === undefined ? undefined : { version: policyVersion, policy };
      return {
        state,
        activeRun: newRuns?.[0] ?? found.run,
        policy: judged,
        postmasterStartMs,
        runIdsFromMs,
      };
    }
    case "write_run": {
      const activeRun = ask.command.event.kind === "ended" ? undefined : found.run;
      // In another history the same version may be of other policies.
      const isSameLife = before?.postmasterStartMs === postmasterStartMs;
      const judged = isSameLife ? before.policy : undefined;
      return { state, activeRun, policy: judged, postmasterStartMs, runIdsFromMs };
    }
    default:
      return undefined;
  }
}

function lastSeen({ command, known }: Guess) {
  const { tenant, sessionKey, ask } = command;
  const policyVersion = ask.kind === "begin" ? known.policy?.version : undefined;
  return { tenant, sessionKey, xid: known.xid, revision: known.state.revision, policyVersion };
}

/** A run id that began already, under whatever key, undoes the statement; who it was is found otherwise. */
function whyNone(error: unknown): readonly Written[] {
  if (isUniqueViolation(error)) return [];
  throw error;
}

function remember(
  { keys, clock }: Memory,
  guesses: readonly Guess[],
  written: readonly Written[],
): ReadonlyMap<Command, Result> {
  const xids = new Map(written.map(({ place, xid }) => [place, xid]));
  const results = new Map<Command, Result>();
  for (const [index, { command, answer, after }] of guesses.entries()) {
    const xid = xids.get(index + 1);
    if (xid === undefined) {
      keys.forget(command);
      continue;
    }
    keys.keep(command, {
      state: after.state,
      xid,
      activeRun: after.activeRun,
      policy: after.policy,
      postmasterStartMs: after.postmasterStartMs,
      runIdsFromMs: after.runIdsFromMs,
    });
    results.set(command, answer);
  }
  const answered = written[0];
  // Nothing stood as it was known: perhaps it is the clock that does not.
  if (answered === undefined) clock.forget();
  else clock.note(answered.now_ms);
  return results;
}
