import { isUnavailable } from "@lanekeeper/postgres";
import { hasReason } from "@lanekeeper/rpc";
import {
  type AgentId,
  type CanonicalKey,
  type CanonicalPeer,
  parsePeerSpelling,
  type Person,
  renderPeerKey,
  withIdentity,
} from "@lanekeeper/session-key";
import type { IdentityContext } from "../context.ts";
import { hasSession, type KeyState } from "../domain/key-state.ts";
import { isRefusal } from "../domain/refusal.ts";
import { LIMITS } from "../limits.ts";
import { scopeOf } from "../names/plan.ts";
import type { Tenant } from "../names/tenant.ts";
import type { Tx } from "../store/db.ts";
import { allThreads, lastThreads } from "../store/names/bound-threads.ts";
import type { Bearer } from "../store/names/peer-relations.ts";
import {
  type CarriedPeer,
  carriesOf,
  leftCarries,
  noteCarry,
  type NotedCarry,
  type PeerSide,
  removeCarry,
  tryCarryLater,
} from "../store/names/threads-to-carry.ts";
import { readKeys } from "../store/keys/read-keys.ts";
import { readTenant } from "../store/tenants/read-tenant.ts";
import { act, type Actor } from "./act.ts";
import { AS_RACERS } from "./racers.ts";
import { uniteKeys } from "./unite-keys.ts";

/**
 * Threads have keys of their own, which a link or an equivalence renames too. Noted with the act, so that they are
 * carried whatever becomes of the process that renamed them.
 */
export async function noteThreads(
  tx: Tx,
  { tenant, asker }: Actor,
  agentId: AgentId,
  what: CarriedPeer,
): Promise<void> {
  const bearer = { tenant, agentId };
  const threads = await lastThreads(tx, bearer, what.parties, 1);
  if (threads.length > 0) await noteCarry(tx, bearer, what, asker);
}

/**
 * Carries what is noted for an agent's peers, right after an act, and also what another process has left. Of many
 * threads those that were used last; whoever looks for what is left carries the others.
 */
export async function carryThreads(context: IdentityContext, bearer: Bearer): Promise<void> {
  const noted = await carriesOf(context.db, bearer, LIMITS.carriesAtOnce);
  const limit = LIMITS.maxThreadsPerPeer;
  await carryAll(context, noted, async (carry) => {
    const threads = await lastThreads(context.db, carry, carry.what.parties, limit);
    return (await carryPage(context, carry, threads)) && threads.length < limit;
  });
}

/** Carries what was noted and is left: of a process that died, of many, or what somebody spoke in. */
export async function carryLeftThreads(context: IdentityContext): Promise<void> {
  const { carryEveryMs, carriesAtOnce, maxThreadsPerPeer } = LIMITS;
  const noted = await leftCarries(context.db, carryEveryMs, carriesAtOnce);
  await carryAll(context, noted, async (carry) => {
    let isOver = true;
    const pages = allThreads(context.db, carry, carry.what.parties, maxThreadsPerPeer);
    for await (const page of pages) isOver = (await carryPage(context, carry, page)) && isOver;
    return isOver;
  });
}

type Carry = (carry: NotedCarry) => Promise<boolean>;

async function carryAll(
  context: IdentityContext,
  noted: readonly NotedCarry[],
  work: Carry,
): Promise<void> {
  for (const carry of noted) {
    const isOver = (await tried(context, carry, work)) || carry.ageMs > LIMITS.carryThreadsForMs;
    if (isOver) await removeCarry(context.db, carry);
    else await tryCarryLater(context.db, carry);
  }
}

/** One that cannot be carried keeps none of the others. @throws what ails the database */
async function tried(context: IdentityContext, carry: NotedCarry, work: Carry): Promise<boolean> {
  try {
    return await work(carry);
  } catch (err) {
    if (isUnavailable(err) || hasReason(err, "STORE_UNAVAILABLE")) throw err;
    const { tenant, what } = carry;
    context.log.warn({ err, tenant, peer: what.after.party }, "threads could not be carried");
    return false;
  }
}

/**
 * Each thread goes on under its new name, in a transaction of its own: one that somebody opened anew
 * meanwhile is a race like any other, and two grown ones stay what they are until an operator merges them.
 * False: a run holds one that is to be merged.
 */
async function carryPage(
  context: IdentityContext,
  { tenant, agentId, asker, what }: NotedCarry,
  threads: readonly CanonicalPeer[],
): Promise<boolean> {
  const { db, log } = context;
  const actor = { tenant, asker };
  const policies = await readTenant(db, tenant);
  const renamed = threads.flatMap((thread) => {
    const goes = keyOfThread(agentId, thread, what.before, policies);
    const stays = keyOfThread(agentId, thread, what.after, policies);
    return goes === undefined || stays === undefined || goes === stays ? [] : [{ goes, stays }];
  });
  let isOver = true;
  for (const { goes, stays } of await apart(context, tenant, renamed)) {
    const command = { stays, goes, ...AS_RACERS, note: what.note };
    const done = await act(context, (tx, writes) => uniteKeys(tx, writes, actor, command));
    if (!isRefusal(done)) continue;
    isOver &&= done.reason !== "SESSION_BUSY";
    const about = { tenant, session_key: goes, reason: done.reason };
    log.warn({ ...about, ...traceOf(actor) }, "a thread was not carried");
  }
  return isOver;
}

interface Renamed {
  readonly goes: CanonicalKey;
  readonly stays: CanonicalKey;
}

/** Those whose session the new name does not lead to yet: mostly what was carried is only looked at. */
async function apart(
  { db }: Pick<IdentityContext, "db">,
  tenant: string,
  renamed: readonly Renamed[],
): Promise<readonly Renamed[]> {
  const keys = renamed.flatMap(({ goes, stays }) => [goes, stays]);
  const found = await readKeys(
    db,
    keys.map((sessionKey) => ({ tenant, sessionKey, runId: undefined })),
  );
  return renamed.filter((_, index) => {
    const from = sessionKeyOf(found[2 * index]?.state);
    return from !== undefined && from !== sessionKeyOf(found[2 * index + 1]?.state);
  });
}

/** Under which key the session of a key stands; undefined: it has none. */
function sessionKeyOf(state: KeyState | undefined): string | undefined {
  const leadsTo = state?.aliasOf ?? state?.movedTo;
  return leadsTo ?? (hasSession(state) ? state.sessionKey : undefined);
}

function traceOf({ asker: { traceId } }: Actor): object {
  return traceId === "" ? {} : { trace_id: traceId };
}

function keyOfThread(
  agentId: string,
  thread: CanonicalPeer,
  { party, person }: PeerSide,
  tenant: Tenant,
): CanonicalKey | undefined {
  const identity = parsePeerSpelling(party);
  if (identity === undefined) return undefined;
  const rendered = renderPeerKey({
    // Parsed before it was stored, as the person.
    agent: agentId as AgentId,
    peer: withIdentity(thread, identity),
    dmScope: scopeOf(tenant, agentId),
    person: person as Person | undefined,
  });
  return rendered.ok ? rendered.key : undefined;
}
