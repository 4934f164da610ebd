import {
  type AgentId,
  type CanonicalKey,
  type CanonicalPeer,
  isKeyRefusal,
  peerSpelling,
} from "@lanekeeper/session-key";
import type { IdentityContext } from "../context.ts";
import { isRefusal, type Refusal, refuse } from "../domain/refusal.ts";
import type { United } from "../domain/unite.ts";
import { LIMITS } from "../limits.ts";
import { lockTenant } from "../store/tenants/apply-policies.ts";
import type { Tx } from "../store/db.ts";
import { type Equivalence, listEquivalences } from "../store/names/list-equivalences.ts";
import {
  type Bearer,
  joinSpellings,
  linkPerson,
  personsOf,
  rootsOf,
  spellingsOf,
} from "../store/names/peer-relations.ts";
import type { PeerSide } from "../store/names/threads-to-carry.ts";
import { readTenant } from "../store/tenants/read-tenant.ts";
import type { BatchWrites } from "../store/batch/write-batch.ts";
import { act, type Actor, applyAct, lookUpRuns } from "./act.ts";
import { carryThreads, noteThreads } from "./carry-threads.ts";
import { lockConnected } from "./locked-keys.ts";
import { keyOfParty } from "./peer-side.ts";
import { AS_RACERS } from "./racers.ts";
import { makeRowsToUnite, uniteKeys } from "./unite-keys.ts";

export interface EquivalenceCommand {
  readonly agentId: AgentId;
  /** Identities: without thread, and without an account that does not identify. */
  readonly peer: CanonicalPeer;
  readonly sameAs: CanonicalPeer;
  readonly source: string;
}

export interface Registered {
  readonly equivalence: Equivalence;
  readonly merged: United["merged"];
}

/** Binds two spellings of one peer together, with the sessions that they led to. */
export async function registerEquivalence(
  context: IdentityContext,
  actor: Actor,
  command: EquivalenceCommand,
): Promise<Registered | Refusal> {
  const bearer = { tenant: actor.tenant, agentId: command.agentId };
  const work = async (tx: Tx, writes: BatchWrites) => {
    await lockTenant(tx, actor.tenant);
    const [peer, sameAs] = [peerSpelling(command.peer), peerSpelling(command.sameAs)];
    const [root = peer, old = sameAs] = await rootsOf(tx, bearer, [peer, sameAs]);
    const merged = root === old ? undefined : await join(tx, writes, actor, command, root, old);
    if (isRefusal(merged)) return merged;
    const known = await listEquivalences(tx, actor.tenant, command.agentId, sameAs);
    const equivalence =
      known.find((each) => peerSpelling(each.sameAs) === sameAs) ??
      known.find((each) => peerSpelling(each.sameAs) === peer);
    if (equivalence === undefined) throw new Error("two spellings of one peer have a record");
    return { merged, equivalence };
  };
  const done = await act(context, work, { actor, operation: "register_equivalence", keys: [] });
  if (!isRefusal(done)) await carryThreads(context, bearer);
  return done;
}

/** The old root and all its spellings go over to the root that stays. */
async function join(
  tx: Tx,
  writes: BatchWrites,
  actor: Actor,
  { agentId, source }: EquivalenceCommand,
  root: string,
  old: string,
): Promise<United["merged"] | Refusal> {
  const bearer: Bearer = { tenant: actor.tenant, agentId };
  const [ofRoot, ofOld] = [
    await spellingsOf(tx, bearer, [root]),
    await spellingsOf(tx, bearer, [old]),
  ];
  if (ofRoot.length + ofOld.length > LIMITS.maxSpellingsPerPeer) return tooManySpellings();
  const [person, oldPerson] = await personsOf(tx, bearer, [root, old]);
  if (person !== undefined && oldPerson !== undefined && person !== oldPerson) {
    return twoPersons(person, oldPerson);
  }
  const after = { party: root, person: person ?? oldPerson };
  const sides = [
    { parties: ofRoot, before: { party: root, person } },
    { parties: ofOld, before: { party: old, person: oldPerson } },
  ];
  const why = `equivalence, by ${source}`;
  const united = await uniteSides(tx, writes, actor, agentId, after, sides, why);
  if (isRefusal(united)) return united;
  await joinSpellings(tx, bearer, old, root, source);
  if (after.person !== undefined) await linkPerson(tx, bearer, root, after.person);
  await note(tx, writes, actor, united.sessionKey, `${old} is ${root}, by ${source}`);
  for (const side of sides) await noteThreads(tx, actor, agentId, { ...side, after, note: why });
  return united.merged;
}

/** Whatever names of either side led to leads to one session: at most two of three keys are others. */
async function uniteSides(
  tx: Tx,
  writes: BatchWrites,
  actor: Actor,
  agentId: AgentId,
  after: PeerSide,
  sides: readonly { readonly before: PeerSide }[],
  why: string,
): Promise<{ readonly merged: United["merged"]; readonly sessionKey: string } | Refusal> {
  const tenant = await readTenant(tx, actor.tenant);
  const stays = keyOfParty(agentId, after, tenant);
  if (isKeyRefusal(stays)) return { merged: undefined, sessionKey: "" };
  const others = sides
    .map(({ before }) => keyOfParty(agentId, before, tenant))
    .filter((key) => !isKeyRefusal(key) && key !== stays) as CanonicalKey[];
  // All at once, in key order: one after the other they would be locked in any order.
  await makeRowsToUnite(tx, writes, actor.tenant, stays, others);
  if (others.length > 1) await lockConnected(tx, actor.tenant, [stays, ...others]);
  let merged: United["merged"];
  for (const goes of others) {
    const command = { stays, goes, ...AS_RACERS, note: why };
    const united = await uniteKeys(tx, writes, actor, command);
    if (isRefusal(united)) return united;
    await writes.flush(tx);
    merged ??= united.merged;
  }
  return { merged, sessionKey: stays };
}

function twoPersons(person: string, other: string): Refusal {
  return refuse("ALIAS_CONFLICT", "the two are linked to different persons", {
    person,
    other_person: other,
  });
}

async function note(
  tx: Tx,
  writes: BatchWrites,
  actor: Actor,
  sessionKey: string,
  text: string,
): Promise<void> {
  const { now } = await lookUpRuns(tx, actor.tenant, []);
  const draft = { operation: "register_equivalence", note: text };
  applyAct(writes, actor, now.ms, { changes: [], runs: [], journal: [{ sessionKey, draft }] });
}

function tooManySpellings(): Refusal {
  const limit = String(LIMITS.maxSpellingsPerPeer);
  const refusal = refuse("QUOTA", `a peer may have ${limit} spellings`, { limit });
  return { ...refusal, retryAfterMs: LIMITS.quotaRetryMs };
}
