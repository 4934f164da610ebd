import { LanekeeperError } from "@lanekeeper/rpc";
import {
  type AgentId,
  type CanonicalKey,
  type CanonicalPeer,
  isKeyRefusal,
  peerSpelling,
  type Person,
} from "@lanekeeper/session-key";
import type { IdentityContext } from "../context.ts";
import type { StandingKey } from "../domain/key-state.ts";
import { isRefusal, type Refusal } from "../domain/refusal.ts";
import type { United } from "../domain/unite.ts";
import type { Tenant } from "../names/tenant.ts";
import { keyError } from "../rpc/parse/key.ts";
import { lockTenant } from "../store/tenants/apply-policies.ts";
import type { Tx } from "../store/db.ts";
import { linkPerson, personsOf, rootsOf, spellingsOf } from "../store/names/peer-relations.ts";
import { readTenant } from "../store/tenants/read-tenant.ts";
import type { BatchWrites } from "../store/batch/write-batch.ts";
import { act, type Actor, applyAct } from "./act.ts";
import { carryThreads, noteThreads } from "./carry-threads.ts";
import { keyOfParty } from "./peer-side.ts";
import { uniteKeys, type UnitedKeys } from "./unite-keys.ts";

export interface LinkCommand {
  readonly agentId: AgentId;
  /** Its identity. */
  readonly peer: CanonicalPeer;
  readonly person: Person;
  readonly survivor: CanonicalKey | undefined;
  readonly note: string;
}

export interface Linked {
  readonly peer: CanonicalPeer;
  readonly createMs: number;
  /** Where the peer leads now. */
  readonly leadsTo: string;
  readonly merged: United["merged"];
}

/**
 * Tells that a direct peer is a person. A peer that was another's is linked anew: what was said under the
 * other person stays there.
 */
export async function linkPeer(
  context: IdentityContext,
  actor: Actor,
  command: LinkCommand,
): Promise<Linked | Refusal> {
  const bearer = { tenant: actor.tenant, agentId: command.agentId };
  const work = async (tx: Tx, writes: BatchWrites) => {
    await lockTenant(tx, actor.tenant);
    const tenant = await readTenant(tx, actor.tenant);
    const own = peerSpelling(command.peer);
    const [party = own] = await rootsOf(tx, bearer, [own]);
    const [before] = await personsOf(tx, bearer, [party]);
    const united = await unite(tx, writes, actor, command, tenant, party, before);
    if (isRefusal(united)) return united;
    const made = await linkPerson(tx, bearer, party, command.person);
    if (before !== command.person) journal(writes, actor, command, united);
    const { leadsTo, merged } = united;
    if (before === undefined) await noteThreadsOf(tx, actor, command, party);
    return { peer: command.peer, createMs: made.getTime(), leadsTo, merged };
  };
  const done = await act(context, work, { actor, operation: "link_peer", keys: [] });
  if (!isRefusal(done)) await carryThreads(context, bearer);
  return done;
}

/** Threads of the peer alone; under another person's link they stay with what was said there. */
async function noteThreadsOf(
  tx: Tx,
  actor: Actor,
  { agentId, person, note }: LinkCommand,
  party: string,
): Promise<void> {
  const parties = await spellingsOf(tx, { tenant: actor.tenant, agentId }, [party]);
  await noteThreads(tx, actor, agentId, {
    parties,
    note: note === "" ? `link to ${person}` : note,
    before: { party },
    after: { party, person },
  });
}

/** The peer's own conversation joins the person's; under another person's link it has none. */
async function unite(
  tx: Tx,
  writes: BatchWrites,
  actor: Actor,
  { agentId, person, survivor, note }: LinkCommand,
  tenant: Tenant,
  party: string,
  before: string | undefined,
): Promise<UnitedKeys | Refusal> {
  const stays = keyOfParty(agentId, { party, person }, tenant);
  if (isKeyRefusal(stays)) throw keyError(stays);
  const alone = keyOfParty(agentId, { party, person: undefined }, tenant);
  const goes = before !== undefined || isKeyRefusal(alone) ? stays : alone;
  return uniteKeys(tx, writes, actor, {
    stays,
    goes,
    note,
    survivor: (a, b) => named(a, b, survivor),
    absorbs: 0,
  });
}

/** @throws INVALID_REQUEST where the survivor that is named is neither */
function named(
  a: StandingKey,
  b: StandingKey,
  survivor: CanonicalKey | undefined,
): StandingKey | undefined {
  if (survivor === undefined) return undefined;
  const found = [a, b].find(({ sessionKey }) => sessionKey === survivor);
  if (found !== undefined) return found;
  const field = "survivor_session_key";
  throw new LanekeeperError(
    "INVALID_REQUEST",
    `${field}: neither of the two sessions stands there`,
    {
      metadata: { field, session_key: a.sessionKey, other_session_key: b.sessionKey },
      fieldViolations: [{ field, description: "neither of the two sessions stands there" }],
    },
  );
}

function journal(
  writes: BatchWrites,
  actor: Actor,
  { person, peer, note }: LinkCommand,
  { leadsTo, nowMs }: UnitedKeys,
): void {
  const text = note === "" ? `${peerSpelling(peer)} is ${person}` : note;
  const draft = { operation: "link_peer", note: text };
  const entry = { sessionKey: leadsTo, draft };
  applyAct(writes, actor, nowMs, { changes: [], runs: [], journal: [entry] });
}
