import { type AgentId, type CanonicalPeer, peerSpelling } from "@lanekeeper/session-key";
import type { IdentityContext } from "../context.ts";
import type { StandingKey } from "../domain/key-state.ts";
import { isRefusal, type Refusal, refuse } from "../domain/refusal.ts";
import type { United } from "../domain/unite.ts";
import { LIMITS } from "../limits.ts";
import { lockTenant } from "../store/apply-policies.ts";
import type { Tx } from "../store/db.ts";
import { type Equivalence, listEquivalences } from "../store/list-equivalences.ts";
import {
  type Bearer,
  countSpellings,
  joinSpellings,
  linkPerson,
  personsOf,
  rootsOf,
} from "../store/peer-relations.ts";
import { readTenant } from "../store/read-tenant.ts";
import type { BatchWrites } from "../store/write-batch.ts";
import { act, type Actor, applyAct, lookUpRuns } from "./act.ts";
import { bothKeys, keyOfParty } from "./peer-side.ts";
import { uniteKeys } from "./unite-keys.ts";

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
export function registerEquivalence(
  context: IdentityContext,
  actor: Actor,
  command: EquivalenceCommand,
): Promise<Registered | Refusal> {
  const bearer = { tenant: actor.tenant, agentId: command.agentId };
  return act(context, async (tx, writes) => {
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
    return { equivalence, merged };
  });
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
  if ((await countSpellings(tx, bearer, [root, old])) >= LIMITS.maxSpellingsPerPeer) {
    return tooManySpellings();
  }
  const [person, oldPerson] = await personsOf(tx, bearer, [root, old]);
  if (person !== undefined && oldPerson !== undefined && person !== oldPerson) {
    return refuse("ALIAS_CONFLICT", "the two are linked to different persons", {
      person,
      other_person: oldPerson,
    });
  }
  const tenant = await readTenant(tx, actor.tenant);
  const keys = bothKeys(
    keyOfParty(agentId, { party: root, person: person ?? oldPerson }, tenant),
    keyOfParty(agentId, { party: old, person: oldPerson }, tenant),
  );
  const united =
    keys === undefined
      ? undefined
      : await uniteKeys(tx, writes, actor, {
          ...{ stays: keys[0], goes: keys[1], survivor: olderOfRacers },
          note: `equivalence, by ${source}`,
        });
  if (isRefusal(united)) return united;
  await joinSpellings(tx, bearer, old, root, source);
  if (person === undefined && oldPerson !== undefined)
    await linkPerson(tx, bearer, root, oldPerson);
  await note(tx, writes, actor, keys?.[0] ?? "", `${old} is ${root}, by ${source}`);
  return united?.merged;
}

/** A first message that raced its migration notice: the younger goes into the older. */
function olderOfRacers(a: StandingKey, b: StandingKey, nowMs: number): StandingKey | undefined {
  const [older, younger] = a.session.createMs <= b.session.createMs ? [a, b] : [b, a];
  return nowMs - younger.session.createMs < LIMITS.youngSessionMs ? older : undefined;
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
