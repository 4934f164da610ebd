import { retryOnDeadlock } from "@lanekeeper/postgres";
import type { Ids } from "@lanekeeper/service";
import type { Decision, Effects } from "../domain/decision.ts";
import { hasSession, type KeyState } from "../domain/key-state.ts";
import { isRefusal, type Refusal } from "../domain/refusal.ts";
import { ELSEWHERE } from "../domain/reserve.ts";
import { LIMITS } from "../limits.ts";
import type { Replica } from "../replica.ts";
import type { Db, Tx } from "../store/db.ts";
import { acceptedRow, type JournalAbout, refusedRow } from "../store/journal/journal-rows.ts";
import { lockKeys, nameOf } from "../store/keys/lock-keys.ts";
import { lookUp } from "../store/batch/look-up.ts";
import { makeKeys, type NewKey } from "../store/keys/make-keys.ts";
import { readCauses } from "../store/keys/read-causes.ts";
import { readStillLed } from "../store/keys/read-leads.ts";
import { BatchWrites, type Told } from "../store/batch/write-batch.ts";
import type { Command, Result } from "./command.ts";
import { decide, wantedBy } from "./decide.ts";
import { toAnswerJson } from "./rotate-request.ts";

export interface BatchContext {
  readonly db: Db;
  readonly ids: Ids;
  readonly replica: Replica;
}

export interface BatchDone {
  readonly results: readonly Result[];
  readonly tells: Told;
}

/** Runs commands of different keys in one transaction; a key stands in a batch once. */
export function runBatch(context: BatchContext, commands: readonly Command[]): Promise<BatchDone> {
  return retryOnDeadlock(() =>
    context.db.transaction((tx) => inTransaction(tx, context, commands)),
  );
}

async function inTransaction(
  tx: Tx,
  { ids, replica }: BatchContext,
  commands: readonly Command[],
): Promise<BatchDone> {
  const writes = new BatchWrites(replica);
  const made = await makeKeys(
    tx,
    commands.flatMap((command) => newKeyOf(command, writes.ruleSetVersion)),
    LIMITS.maxKeysPerTenant,
  );
  for (const tenant of made) writes.madeKey(tenant);
  // Sent together. The server answers them one after the other, so the second sees what the first locked.
  const [rows, found] = await Promise.all([
    lockKeys(tx, commands),
    lookUp(tx, commands.map(wantedBy)),
  ]);
  const states = commands.map(({ tenant, sessionKey }) => rows.get(nameOf(tenant, sessionKey)));
  const overtaken = await overtakenNames(tx, commands, states);
  const results = commands.map((command, index) => {
    const facts = found[index];
    if (facts === undefined) throw new Error("the look-up gives a row per command");
    if (overtaken.has(command)) return ELSEWHERE;
    const decision = decide(command, states[index], facts, ids);
    return record(writes, command, states[index], decision, facts.nowMs);
  });
  const { tells } = writes;
  if (results.some(namesCause)) {
    await writes.flush(tx);
    return { results: await withCauses(tx, commands, results), tells };
  }
  await writes.flush({ query: tx.queryAndCommit });
  return { results, tells };
}

function namesCause(result: Result): boolean {
  return isRefusal(result) && result.stale?.causeQuery !== undefined;
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

function newKeyOf({ tenant, sessionKey, ask }: Command, ruleSetVersion: number): NewKey[] {
  if (ask.kind !== "reserve") return [];
  const source = ask.binding?.source ?? "resolve";
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
  apply(writes, about, decision.effects);
  recordRequest(writes, command, decision, nowMs);
  return decision.answer;
}

/** Also what the operators' acts write with. */
export function apply(writes: BatchWrites, about: JournalAbout, effects: Effects): void {
  const { tenant } = about;
  const rotated = effects.generations !== undefined && effects.generations.length > 0;
  const told = effects.told === true ? { rotated } : undefined;
  if (effects.state !== undefined) writes.key(effects.state, told);
  for (const run of effects.newRuns ?? []) writes.newRun(tenant, run);
  for (const run of effects.runs ?? []) writes.run(tenant, run);
  for (const event of effects.events ?? []) writes.event(tenant, event);
  for (const reply of effects.newReplies ?? []) writes.newReply(tenant, reply);
  for (const reply of effects.replies ?? []) writes.reply(tenant, reply);
  for (const begun of effects.generations ?? []) writes.generation(tenant, begun);
  for (const draft of effects.journal ?? []) writes.journal(acceptedRow(about, draft));
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
