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
import { isRefusal } from "../domain/refusal.ts";
import { LIMITS } from "../limits.ts";
import { scopeOf } from "../names/plan.ts";
import type { Tenant } from "../names/tenant.ts";
import type { Tx } from "../store/db.ts";
import { boundThreads } from "../store/names/bound-threads.ts";
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
import { readTenant } from "../store/tenants/read-tenant.ts";
import { act, type Actor } from "./act.ts";
import { olderOfRacers } from "./racers.ts";
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
  const threads = await boundThreads(tx, bearer, what.parties, 1);
  if (threads.length > 0) await noteCarry(tx, bearer, what, asker);
}

/** Carries what is noted for an agent's peers, right after an act; also what another process has left. */
export async function carryThreads(context: IdentityContext, bearer: Bearer): Promise<void> {
  await carryAll(context, await carriesOf(context.db, bearer, LIMITS.carriesAtOnce));
}

/** Carries what was noted and nobody has carried: its process died, or somebody spoke in a thread. */
export async function carryLeftThreads(context: IdentityContext): Promise<void> {
  const { carryEveryMs, carriesAtOnce } = LIMITS;
  await carryAll(context, await leftCarries(context.db, carryEveryMs, carriesAtOnce));
}

async function carryAll(context: IdentityContext, noted: readonly NotedCarry[]): Promise<void> {
  for (const carry of noted) {
    const isOver = (await tried(context, carry)) || carry.ageMs > LIMITS.carryThreadsForMs;
    if (isOver) await removeCarry(context.db, carry);
    else await tryCarryLater(context.db, carry);
  }
}

/** One that cannot be carried keeps none of the others. @throws what ails the database */
async function tried(context: IdentityContext, carry: NotedCarry): Promise<boolean> {
  try {
    return await carryNoted(context, carry);
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
async function carryNoted(context: IdentityContext, carry: NotedCarry): Promise<boolean> {
  const { db, log } = context;
  const { tenant: tenantName, asker, what } = carry;
  const actor = { tenant: tenantName, asker };
  const threads = await boundThreads(db, carry, what.parties, LIMITS.maxThreadsPerPeer);
  const tenant = await readTenant(db, tenantName);
  let isOver = true;
  for (const thread of threads) {
    const goes = keyOfThread(carry.agentId, thread, what.before, tenant);
    const stays = keyOfThread(carry.agentId, thread, what.after, tenant);
    if (goes === undefined || stays === undefined || goes === stays) continue;
    const command = { stays, goes, survivor: olderOfRacers, note: what.note };
    const done = await act(context, (tx, writes) => uniteKeys(tx, writes, actor, command));
    if (!isRefusal(done)) continue;
    isOver &&= done.reason !== "SESSION_BUSY";
    const about = { tenant: tenantName, session_key: goes, reason: done.reason };
    log.warn({ ...about, ...traceOf(actor) }, "a thread was not carried");
  }
  return isOver;
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
