import { retryOnDeadlock } from "@lanekeeper/postgres";
import type { Ids } from "@lanekeeper/service";
import type { Decision } from "../domain/decision.ts";
import { hasSession, type KeyState } from "../domain/key-state.ts";
import { isRefusal, type Refusal } from "../domain/refusal.ts";
import { ELSEWHERE } from "../domain/reserve.ts";
import { LIMITS } from "../limits.ts";
import type { Replica } from "../replica.ts";
import type { Db, Tx } from "../store/db.ts";
import { refusedRow } from "../store/journal/journal-rows.ts";
import { lockKeys, nameOf } from "../store/keys/lock-keys.ts";
import { type Found, lookUp } from "../store/batch/look-up.ts";
import { makeKeys, type NewKey, tenantsWithRoom } from "../store/keys/make-keys.ts";
import { readCauses } from "../store/keys/read-causes.ts";
import { readStillLed } from "../store/keys/read-leads.ts";
import { readMayBind } from "../store/names/may-bind.ts";
import { BatchWrites, type Told } from "../store/batch/write-batch.ts";
import { applyEffects } from "./apply-effects.ts";
import type { Command, Result } from "./command.ts";
import type { EngineObserver } from "./engine-observer.ts";
import { type AskOf, decide, isMade, refusedReserve, wantedBy } from "./decide.ts";
import { toAnswerJson } from "./rotate-request.ts";
import { isBefore, type KnownKey } from "./known-keys.ts";
import { knownAfter, type Memory, writeKnown } from "./write-known.ts";

export interface BatchContext {
  readonly db: Db;
  readonly ids: Ids;
  readonly replica: Replica;
  readonly memory: Memory;
  readonly observer: EngineObserver;
}

interface BatchDone {
  readonly results: readonly Result[];
  readonly tells: Told;
}

/**
 * Runs commands of different keys; a key stands in a batch once. Those that memory suffices for are written
 * first, and watchers told of them, the others in one transaction. Should that fail, whoever asks all of them
 * again is told of the first what they were told here: each is known by its run.
 */
export async function runBatch(
  context: BatchContext,
  commands: readonly Command[],
): Promise<readonly Result[]> {
  const { observer } = context;
  const { results: written, tells, outdated } = await writeKnown(context, commands);
  observer.byMemory?.(written.size, outdated.size);
  tell(observer, tells);
  const rest = commands.filter((command) => !written.has(command));
  if (rest.length === 0) return inOrder(commands, written);
  const locked = await runLocked(context, rest, outdated);
  tell(observer, locked.tells);
  const results = new Map(written);
  for (const [index, command] of rest.entries()) {
    const result = locked.results[index];
    if (result !== undefined) results.set(command, result);
  }
  return inOrder(commands, results);
}

function tell(observer: EngineObserver, what: Told): void {
  if (what !== "nothing") observer.changed?.(what);
}

function inOrder(commands: readonly Command[], results: ReadonlyMap<Command, Result>): Result[] {
  return commands.map((command) => {
    const result = results.get(command);
    if (result === undefined) throw new Error("each command has a result");
    return result;
  });
}

/** Reads and locks the keys, and writes what is decided by that. */
function runLocked(
  context: BatchContext,
  commands: readonly Command[],
  outdated: ReadonlyMap<Command, KnownKey>,
): Promise<BatchDone> {
  return retryOnDeadlock(() =>
    context.db.transaction((tx) => inTransaction(tx, context, commands, outdated)),
  );
}

async function inTransaction(
  tx: Tx,
  { ids, replica, memory, observer }: BatchContext,
  commands: readonly Command[],
  outdated: ReadonlyMap<Command, KnownKey>,
): Promise<BatchDone> {
  const writes = new BatchWrites(replica);
  const nameless = await namesWithoutRoom(tx, commands);
  const opening = commands.filter((command) => !nameless.has(command));
  const made = await makeKeys(
    tx,
    opening.flatMap((command) => newKeyOf(command, writes.ruleSetVersion)),
    LIMITS.maxKeysPerTenant,
  );
  for (const tenant of made) writes.madeKey(tenant);
  // Sent together. The server answers them one after the other, so the second sees what the first locked.
  const [rows, found] = await Promise.all([
    lockKeys(tx, commands),
    lookUp(tx, commands.map(wantedBy)),
  ]);
  const states = commands.map(({ tenant, sessionKey }) => rows.get(nameOf(tenant, sessionKey)));
  if (found[0] !== undefined) memory.clock.note(found[0].nowMs);
  for (const [index, command] of commands.entries()) {
    const known = outdated.get(command) ?? memory.keys.get(command);
    const [state, facts] = [states[index], found[index]];
    if (facts !== undefined && isBefore(state, known)) {
      observer.wentBack?.(command, facts.postmasterStartMs);
    }
  }
  const overtaken = new Set([
    ...(await overtakenNames(tx, commands, states)),
    ...(await goneMeanwhile(tx, opening, rows)),
  ]);
  const learnt: Learnt[] = [];
  const results = commands.map((command, index) => {
    const facts = found[index];
    if (facts === undefined) throw new Error("the look-up gives a row per command");
    if (overtaken.has(command)) return ELSEWHERE;
    const full = nameless.get(command);
    const decision = full
      ? refusedReserve(full, "names")
      : decide(command, states[index], facts, ids);
    learnt.push({ command, facts, decision });
    return record(writes, command, states[index], decision, facts.nowMs);
  });
  const { tells } = writes;
  if (results.some(namesCause)) {
    await writes.flush(tx);
    return { results: await withCauses(tx, commands, results), tells };
  }
  learn(memory, learnt, await writes.flush({ query: tx.queryAndCommit }));
  return { results, tells };
}

/** What a command was decided by, and how. */
interface Learnt {
  readonly command: Command;
  readonly facts: Found;
  readonly decision: Decision<Result>;
}

/** Keeps in mind what was committed. */
function learn({ keys }: Memory, learnt: readonly Learnt[], xid: string | undefined): void {
  for (const { command, facts, decision } of learnt) {
    if ("refusal" in decision || decision.effects.state === undefined) continue;
    const after = knownAfter(command.ask, decision.effects, facts, keys.get(command));
    if (after === undefined || xid === undefined) keys.forget(command);
    else keys.keep(command, { xid, ...after });
  }
}

function namesCause(result: Result): boolean {
  return isRefusal(result) && result.stale?.causeQuery !== undefined;
}

/** First contacts whose name would be one more than the tenant may hold: also where it leads to a key that stands. */
async function namesWithoutRoom(
  tx: Tx,
  commands: readonly Command[],
): Promise<ReadonlyMap<Command, AskOf<"reserve">>> {
  const naming = commands.flatMap((command) => {
    const { ask } = command;
    if (ask.kind !== "reserve" || ask.binding === undefined) return [];
    return [{ command, ask, binding: ask.binding }];
  });
  const mayBind = await readMayBind(
    tx,
    naming.map(({ binding }) => binding),
  );
  const without = naming.filter((_, place) => mayBind[place] === false);
  return new Map(without.map(({ command, ask }) => [command, ask]));
}

/** First contacts whose peer was led elsewhere since its name was read. */
async function overtakenNames(
  tx: Tx,
  commands: readonly Command[],
  states: readonly (KeyState | undefined)[],
): Promise<ReadonlySet<Command>> {
  const named = commands.flatMap((command, index) => {
    const { tenant, ask } = command;
    if (ask.kind !== "reserve" || ask.ledBy === undefined || hasSession(states[index])) return [];
    return [{ command, tenant, ledBy: ask.ledBy }];
  });
  if (named.length === 0) return new Set();
  const still = await readStillLed(tx, named);
  return new Set(named.filter((_, place) => still[place] === false).map(({ command }) => command));
}

/**
 * First contacts that found a row, which then went with its erasure before it was locked; where the tenant has no room
 * none was made.
 */
async function goneMeanwhile(
  tx: Tx,
  opening: readonly Command[],
  rows: ReadonlyMap<string, KeyState>,
): Promise<readonly Command[]> {
  const missing = opening.filter(
    ({ tenant, sessionKey, ask }) =>
      ask.kind === "reserve" && isMade(sessionKey, ask) && !rows.has(nameOf(tenant, sessionKey)),
  );
  if (missing.length === 0) return [];
  const tenants = missing.map(({ tenant }) => tenant);
  const withRoom = await tenantsWithRoom(tx, tenants, LIMITS.maxKeysPerTenant);
  return missing.filter(({ tenant }) => withRoom.has(tenant));
}

function newKeyOf({ tenant, sessionKey, ask }: Command, ruleSetVersion: number): NewKey[] {
  if (ask.kind !== "reserve" || !isMade(sessionKey, ask)) return [];
  const source = ask.binding?.source ?? (ask.command.mintedMs === undefined ? "resolve" : "mint");
  return [{ tenant, sessionKey, agentId: ask.agentId, source, ruleSetVersion }];
}

/** Notes what the decision changes, and its lines of the journal. */
function record(
  writes: BatchWrites,
  command: Command,
  state: KeyState | undefined,
  decision: Decision<Result>,
  nowMs: number,
): Result {
  const { tenant, sessionKey, asker } = command;
  const about = { tenant, sessionKey, nowMs, ruleSetVersion: writes.ruleSetVersion, asker };
  if ("refusal" in decision) {
    const { journal, refusal } = decision;
    // A key that is not there has no journal: names that nobody holds would fill it.
    if (state !== undefined && journal !== undefined) {
      writes.journal(refusedRow(about, journal, refusal));
    }
    return refusal;
  }
  applyEffects(writes, about, decision.effects);
  recordRequest(writes, command, decision, nowMs);
  return decision.answer;
}

/** What is known by more than its own id: a name by the ledger, a rotation by its request id. */
function recordRequest(
  writes: BatchWrites,
  { tenant, ask }: Command,
  { answer, effects }: Extract<Decision<Result>, { answer: Result }>,
  nowMs: number,
): void {
  if (ask.kind === "reserve" && ask.binding !== undefined && isStanding(answer)) {
    writes.binding(ask.binding, nowMs);
  }
  if (ask.kind === "rotate" && effects.state !== undefined) {
    writes.request(tenant, ask.requestId, ask.fingerprint, toAnswerJson(answer), nowMs);
  }
}

function isStanding(answer: Result): boolean {
  return "kind" in answer && answer.kind === "standing";
}

/** Refusals name the rotation that ended the right; the batch may have made it itself. */
async function withCauses(
  tx: Tx,
  commands: readonly Command[],
  results: readonly Result[],
): Promise<readonly Result[]> {
  const wanted = results.flatMap((result, index) => {
    const query = isRefusal(result) ? result.stale?.causeQuery : undefined;
    const command = commands[index];
    return query === undefined || command === undefined ? [] : [{ index, command, query }];
  });
  const causes = await readCauses(
    tx,
    wanted.map(({ command: { tenant, sessionKey }, query }) => ({ tenant, sessionKey, query })),
  );
  const filled = [...results];
  wanted.forEach(({ index }, place) => {
    const cause = causes[place];
    const result = results[index];
    if (cause !== undefined && isRefusal(result)) filled[index] = withCause(result, cause);
  });
  return filled;
}

export function withCause(
  refusal: Refusal,
  cause: NonNullable<NonNullable<Refusal["stale"]>["cause"]>,
): Refusal {
  return refusal.stale === undefined ? refusal : { ...refusal, stale: { ...refusal.stale, cause } };
}
