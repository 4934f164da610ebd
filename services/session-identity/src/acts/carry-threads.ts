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
import { boundThreads } from "../store/names/bound-threads.ts";
import { readTenant } from "../store/tenants/read-tenant.ts";
import { act, type Actor } from "./act.ts";
import type { PeerSide } from "./peer-side.ts";
import { olderOfRacers } from "./racers.ts";
import { uniteKeys } from "./unite-keys.ts";

export interface Carried {
  readonly agentId: AgentId;
  /** All spellings of the peer. */
  readonly parties: readonly string[];
  /** As names of the peer were read before, and are read now. */
  readonly before: PeerSide;
  readonly after: PeerSide;
  readonly note: string;
}

/**
 * Threads have keys of their own, which a link or an equivalence renames too. Each goes on under its new
 * name, in a transaction of its own after the act: one that somebody opened anew meanwhile is a race
 * like any other, and two grown ones stay what they are until an operator merges them.
 */
export async function carryThreads(
  context: IdentityContext,
  actor: Actor,
  { agentId, parties, before, after, note }: Carried,
): Promise<void> {
  const { db, log } = context;
  const bearer = { tenant: actor.tenant, agentId };
  const threads = await boundThreads(db, bearer, parties, LIMITS.maxThreadsPerPeer);
  if (threads.length === 0) return;
  const tenant = await readTenant(db, actor.tenant);
  for (const thread of threads) {
    const goes = keyOfThread(agentId, thread, before, tenant);
    const stays = keyOfThread(agentId, thread, after, tenant);
    if (goes === undefined || stays === undefined || goes === stays) continue;
    const survivor = olderOfRacers;
    const command = { stays, goes, survivor, note };
    const done = await act(context, (tx, writes) => uniteKeys(tx, writes, actor, command));
    if (isRefusal(done)) {
      const about = { tenant: actor.tenant, session_key: goes, reason: done.reason };
      log.warn({ ...about, ...traceOf(actor) }, "a thread was not carried");
    }
  }
}

function traceOf({ asker: { traceId } }: Actor): object {
  return traceId === "" ? {} : { trace_id: traceId };
}

function keyOfThread(
  agent: AgentId,
  thread: CanonicalPeer,
  { party, person }: PeerSide,
  tenant: Tenant,
): CanonicalKey | undefined {
  const identity = parsePeerSpelling(party);
  if (identity === undefined) return undefined;
  const rendered = renderPeerKey({
    agent,
    peer: withIdentity(thread, identity),
    dmScope: scopeOf(tenant, agent),
    person: person as Person | undefined,
  });
  return rendered.ok ? rendered.key : undefined;
}
