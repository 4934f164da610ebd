import type { CanonicalKey } from "@lanekeeper/session-key";
import type { IdentityContext } from "../context.ts";
import { decideErase } from "../domain/erase.ts";
import { hasReturned } from "../domain/erasure.ts";
import { generationMismatch, noSession } from "../domain/judge-run.ts";
import { hasSession, type KeyState } from "../domain/key-state.ts";
import { isRefusal, type Refusal, refuse } from "../domain/refusal.ts";
import { applyEffects } from "../engine/apply-effects.ts";
import { recordedAnswer } from "../engine/rotate-request.ts";
import { LIMITS } from "../limits.ts";
import { type Found, lookUp } from "../store/batch/look-up.ts";
import type { BatchWrites } from "../store/batch/write-batch.ts";
import type { Tx } from "../store/db.ts";
import { countUnderWay, readErasure } from "../store/erasures/read-erasures.ts";
import { isOnlyBound } from "../store/erasures/bound-names.ts";
import { insertErasure } from "../store/erasures/write-erasures.ts";
import { act, type Actor } from "./act.ts";
import { lockConnected, makeRows } from "./locked-keys.ts";

export interface EraseCommand {
  readonly requestId: string;
  readonly fingerprint: string;
  readonly sessionKey: CanonicalKey;
  readonly expectedGeneration: bigint | undefined;
  readonly note: string;
  /** @throws where the caller may not erase what stands under one of the keys */
  readonly checkKey: (state: KeyState) => void;
}

/** What is kept with a request id. */
interface Recorded {
  readonly erasureId: string;
}

/**
 * Begins the erasure of a conversation, by any of its names, in one transaction. Gives the erasure's id: that of the
 * one under way, where nobody came back since it began.
 */
export function eraseKey(
  context: IdentityContext,
  actor: Actor,
  command: EraseCommand,
): Promise<Recorded | Refusal> {
  const { requestId, fingerprint, sessionKey } = command;
  const { tenant } = actor;
  const work = async (tx: Tx, writes: BatchWrites) => {
    // A name that was registered is one that may go; what stands under it is a row of its key.
    if (await isOnlyBound(tx, tenant, sessionKey)) {
      await makeRows(tx, writes, tenant, [sessionKey], "erase");
    }
    const keys = await lockConnected(tx, tenant, [sessionKey]);
    const state = keys.standing(sessionKey);
    const found = await lookUpErasing(tx, tenant, state, requestId);
    const recorded = recordedAnswer<Recorded>(requestId, fingerprint, found.request);
    if (recorded !== undefined) return recorded;
    if (state === undefined) return noSession(sessionKey);
    const pointers = keys.pointers(state.sessionKey);
    for (const key of [state, ...pointers]) command.checkKey(key);
    const unexpected = checkExpected(state, command.expectedGeneration);
    if (unexpected !== undefined) return unexpected;
    const given =
      (await underWay(tx, state)) ??
      (await begin(context, tx, writes, actor, { state, pointers, found, note: command.note }));
    if (isRefusal(given)) return given;
    writes.request(tenant, requestId, fingerprint, given, found.nowMs);
    return given;
  };
  return act(context, work, { actor, operation: "erase", keys: [sessionKey] });
}

async function lookUpErasing(
  tx: Tx,
  tenant: string,
  state: KeyState | undefined,
  requestId: string,
): Promise<Found> {
  const sessionKey = state?.sessionKey ?? "";
  const wanted = { tenant, sessionKey, requestId, activeRun: true, countSending: true };
  const [found] = await lookUp(tx, [wanted]);
  if (found === undefined) throw new Error("the look-up gives a row per question");
  return found;
}

function checkExpected(state: KeyState, expected: bigint | undefined): Refusal | undefined {
  if (expected === undefined) return undefined;
  if (!hasSession(state)) return noSession(state.sessionKey, state);
  return expected === state.session.generation ? undefined : generationMismatch(state, expected);
}

/** Whoever asks again while nobody has come back asks for what is being done. */
async function underWay(tx: Tx, state: KeyState): Promise<Recorded | undefined> {
  const { tenant, erasureId } = state;
  if (erasureId === undefined) return undefined;
  const found = await readErasure(tx, tenant, erasureId);
  if (found === undefined || found.erasure.endMs !== undefined) return undefined;
  return hasReturned(found.erasure, state) ? undefined : { erasureId };
}

interface Standing {
  readonly state: KeyState;
  readonly pointers: readonly KeyState[];
  readonly found: Found;
  readonly note: string;
}

async function begin(
  { ids }: IdentityContext,
  tx: Tx,
  writes: BatchWrites,
  { tenant, asker }: Actor,
  { state, pointers, found, note }: Standing,
): Promise<Recorded | Refusal> {
  if ((await countUnderWay(tx, tenant)) >= LIMITS.maxErasuresUnderWay) return tooMany();
  const { nowMs, activeRun, sendingCount } = found;
  const erasing = decideErase({
    nowMs,
    state,
    pointers,
    activeRun,
    sendingCount,
    note,
    erasureId: ids.uuid(),
    newSessionId: ids.uuid(),
    principal: asker.principal,
  });
  if (isRefusal(erasing)) return erasing;
  const { sessionKey } = state;
  const { ruleSetVersion } = writes;
  applyEffects(writes, { tenant, sessionKey, nowMs, ruleSetVersion, asker }, erasing.effects);
  for (const merged of erasing.silenced) writes.key(merged, undefined);
  await insertErasure(tx, erasing.erasure);
  return { erasureId: erasing.erasure.erasureId };
}

function tooMany(): Refusal {
  const limit = String(LIMITS.maxErasuresUnderWay);
  const message = `${limit} conversations of the tenant are being erased already`;
  return { ...refuse("QUOTA", message, { limit }), retryAfterMs: LIMITS.quotaRetryMs };
}
