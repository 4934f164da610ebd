import type { AbortState } from "@lanekeeper/postgres";
import {
  hasReason,
  invalid,
  LanekeeperError,
  permissionDenied,
  storeUnavailable,
} from "@lanekeeper/rpc";
import {
  type AgentId,
  agentOf,
  type CanonicalKey,
  isKeyRefusal,
  mintedAtMs,
} from "@lanekeeper/session-key";
import { type Freshness, freshnessAt } from "../domain/freshness.ts";
import { goesSoon } from "../domain/going.ts";
import { generationMismatch, noSession } from "../domain/judge-run.ts";
import { hasSession, type KeyState, type StandingKey } from "../domain/key-state.ts";
import { notToBeMade } from "../domain/minted.ts";
import type { Engine } from "../engine/engine.ts";
import { LIMITS } from "../limits.ts";
import { type GivenName, keyError } from "../rpc/parse/key.ts";
import { granted, refusalError } from "../rpc/show/refusal.ts";
import type { NameFound, NameWanted } from "../store/names/read-names.ts";
import type { Binding } from "./binding.ts";
import { checkMayUse, type NameCaller } from "./caller.ts";
import { bindingOf, checkMayBind, newBinding } from "./bind.ts";
import { keyOf, type NamePlan, planName } from "./plan.ts";
import type { RuleSet } from "./rules.ts";
import type { Tenant } from "./tenant.ts";
import type { Tenants } from "./tenants.ts";

/** Reads names; many calls share one statement. */
export type ReadName = (wanted: NameWanted, abort?: AbortState) => Promise<NameFound>;

export interface ResolveQuestion {
  readonly agent: AgentId | undefined;
  readonly name: GivenName;
  readonly lookUpOnly: boolean;
  readonly expectedSessionId: string | undefined;
  readonly expectedGeneration: bigint | undefined;
  readonly internal: boolean;
  /** The key is minted for one task, if it is not there. */
  readonly mint: boolean;
}

export interface Resolved {
  readonly state: StandingKey;
  readonly binding: Binding;
  readonly freshness: Freshness;
}

/** A name looked up: the key it leads to, and what stands there. */
export interface LookedUp {
  readonly plan: NamePlan;
  readonly found: NameFound;
  readonly tenant: Tenant;
  readonly key: CanonicalKey;
  /** Whether the name is in the ledger, or is itself a key that exists. */
  readonly bound: boolean;
}

export interface ResolverParts {
  readonly rules: RuleSet;
  readonly tenants: Tenants;
  readonly readName: ReadName;
  readonly engine: Engine;
  /** Told of each use of a name that the ledger has. */
  readonly seen: (
    tenant: string,
    agentId: string,
    plan: NamePlan,
    lastSeenMs: number,
    nowMs: number,
  ) => void;
}

/** From a name to the session that stands there. */
export class Resolver {
  readonly #parts: ResolverParts;
  readonly #reserving = new Map<string, Promise<unknown>>();

  constructor(parts: ResolverParts) {
    this.#parts = parts;
  }

  /**
   * A bound name is one batched read and writes nothing. On first contact the engine mints or joins, and
   * the name is read again, so that all racers answer from the same row. An answer that was overtaken
   * (an alias, a merge, new policies) is looked up anew.
   */
  async resolve(question: ResolveQuestion, caller: NameCaller): Promise<Resolved> {
    for (let attempt = 0; attempt < LIMITS.resolveAttempts; attempt += 1) {
      const looked = await this.lookUp(question.agent, question.name, caller);
      const standing = looked.found.target ?? looked.found.key;
      this.#checkAllowed(looked, standing, question, caller);
      const { nowMs } = looked.found;
      const isThere = looked.bound && hasSession(standing);
      if (isThere) checkExpected(standing, question);
      if (isThere && (question.lookUpOnly || !goesSoon(standing, nowMs))) {
        return this.#answer(looked, standing);
      }
      if (question.lookUpOnly) throw refusalError(noSession(looked.key));
      if (!isThere) checkMayMake(looked.key, question.mint, nowMs);
      await this.#reserve(looked, standing, question, caller);
    }
    throw storeUnavailable("the name changed each time that it was looked up; ask again");
  }

  /** Reads a name, with policies that are those of the same statement. */
  async lookUp(agent: AgentId | undefined, name: GivenName, caller: NameCaller): Promise<LookedUp> {
    const { rules, tenants, readName } = this.#parts;
    let tenant = await tenants.get(caller.tenant);
    for (let attempt = 0; attempt < LIMITS.resolveAttempts; attempt += 1) {
      const current = tenant;
      const plan = await planOrRefresh(rules, tenants, caller.tenant, current, agent, name);
      const found = await readName(plan.plan.wanted, caller.abortState);
      if (isStill(plan.tenant, found)) return this.#follow(plan.plan, found, plan.tenant, caller);
      tenant = await tenants.refresh(caller.tenant);
    }
    throw storeUnavailable(
      "the tenant's policies changed each time that they were read; ask again",
    );
  }

  /** The row that was read is the key's, unless equivalence, link or scope lead elsewhere. */
  async #follow(
    plan: NamePlan,
    found: NameFound,
    tenant: Tenant,
    caller: NameCaller,
  ): Promise<LookedUp> {
    const key = keyOf(plan, found, tenant);
    if (key === undefined) throw new Error("a name without key has a refusal");
    if (isKeyRefusal(key)) throw keyError(key);
    const own = plan.wanted.own !== "" && found.key?.sessionKey === plan.wanted.own;
    // Names of a minted key are read by the rules each time: a binding would outlive it.
    const bound = found.binding !== undefined || own || found.key?.keptUntilMs !== undefined;
    const readKey = found.key?.sessionKey ?? found.binding?.sessionKey ?? plan.wanted.candidate;
    if (readKey === key) return { plan, found, tenant, key, bound };
    const blank = { ...plan.wanted, name: "", own: "", party: "", candidate: key };
    const there = await this.#parts.readName(blank, caller.abortState);
    return { plan, found: { ...found, key: there.key, target: there.target }, tenant, key, bound };
  }

  #checkAllowed(
    { plan, key, tenant, bound }: LookedUp,
    standing: KeyState | undefined,
    question: ResolveQuestion,
    caller: NameCaller,
  ): void {
    checkMayUse(key, caller, tenant);
    if (standing !== undefined && standing.sessionKey !== key) {
      checkMayUse(standing.sessionKey, caller, tenant);
    }
    if (caller.outside && (question.internal || standing?.internal === true)) {
      throw permissionDenied("the session is internal");
    }
    const opens = !bound || !hasSession(standing);
    if (opens && !question.lookUpOnly) checkMayBind(key, tenant, plan.ruleSetVersion);
    if (!hasSession(standing) && isExpecting(question)) throw nothingExpected(key, question);
  }

  #answer({ plan, found, tenant, key }: LookedUp, state: StandingKey): Resolved {
    const policy = tenant.policies.get(state.agentId);
    const binding = bindingOf(plan, found, key);
    const { tenant: tenantName } = plan.wanted;
    if (found.binding !== undefined) {
      this.#parts.seen(tenantName, plan.agentId, plan, binding.lastSeenMs, found.nowMs);
    }
    return { state, binding, freshness: freshnessAt(state.session, policy, found.nowMs) };
  }

  /** Calls of this replica that meet at an unseen name share one commit, and then read. */
  async #reserve(
    looked: LookedUp,
    standing: KeyState | undefined,
    question: ResolveQuestion,
    caller: NameCaller,
  ): Promise<void> {
    const { plan, key } = looked;
    const sessionKey = standing?.sessionKey ?? key;
    const name = JSON.stringify([
      caller.tenant,
      sessionKey,
      plan.agentId,
      plan.wanted.kind,
      plan.wanted.name,
    ]);
    const under = this.#reserving.get(name);
    if (under !== undefined) return void (await under.catch(() => undefined));
    const made = this.#submitReserve(looked, sessionKey, question, caller);
    this.#reserving.set(name, made);
    try {
      await made;
    } finally {
      this.#reserving.delete(name);
    }
  }

  async #submitReserve(
    { plan, found, tenant, bound, key }: LookedUp,
    sessionKey: CanonicalKey,
    question: ResolveQuestion,
    caller: NameCaller,
  ): Promise<void> {
    const mintedMs = question.mint ? mintedAtMs(sessionKey) : undefined;
    const isNamed = bound || mintedMs !== undefined;
    const binding = isNamed ? undefined : newBinding(plan, key, tenant, "resolve");
    const rawKey = plan.name.kind === "raw" ? plan.name.raw : plan.wanted.name;
    const agentId = found.target?.agentId ?? agentOf(sessionKey);
    const command = { sessionKey, internal: question.internal, rawKey, mintedMs };
    granted(
      await this.#parts.engine.submit<"reserve">({
        tenant: caller.tenant,
        sessionKey,
        asker: caller.asker,
        ask: { kind: "reserve", command, agentId, binding, ledBy: ledByOf(plan, found) },
      }),
    );
  }
}

/** @throws NOT_FOUND, and INVALID_REQUEST for a name that is not minted */
function checkMayMake(key: CanonicalKey, mint: boolean, nowMs: number): void {
  if (mint && mintedAtMs(key) === undefined) throw invalid("raw_key", "is no key that is minted");
  const refusal = notToBeMade(key, mint, nowMs);
  if (refusal !== undefined) throw refusalError(refusal);
}

function ledByOf({ name, wanted, agentId }: NamePlan, { root, person }: NameFound) {
  return name.kind === "raw" ? undefined : { agentId, party: wanted.party, root, person };
}

/** That there is no default agent may be old news: before a name is refused for it, the tenant is read. */
async function planOrRefresh(
  rules: RuleSet,
  tenants: Tenants,
  tenantName: string,
  tenant: Tenant,
  agent: AgentId | undefined,
  name: GivenName,
): Promise<{ plan: NamePlan; tenant: Tenant }> {
  try {
    return { plan: planName(rules, tenantName, tenant, agent, name), tenant };
  } catch (error) {
    const mayBeOld = tenant.defaultAgentId === undefined;
    if (!mayBeOld || !hasReason(error, "AGENT_REQUIRED", "MALFORMED_KEY")) throw error;
    const read = await tenants.refresh(tenantName);
    return { plan: planName(rules, tenantName, read, agent, name), tenant: read };
  }
}

function isStill(tenant: Tenant, found: NameFound): boolean {
  return (
    tenant.version === found.tenantVersion &&
    BigInt(tenant.channels.size) === found.channelCount &&
    tenant.serverStartMs === found.serverStartMs
  );
}

function isExpecting({ expectedSessionId, expectedGeneration }: ResolveQuestion): boolean {
  return expectedSessionId !== undefined || expectedGeneration !== undefined;
}

/** @throws GENERATION_MISMATCH, before anything is written for who asks in vain */
function checkExpected(state: StandingKey, question: ResolveQuestion): void {
  const expected = mismatch(state, question);
  if (expected !== undefined) throw refusalError(generationMismatch(state, expected));
}

function mismatch(state: StandingKey, question: ResolveQuestion): bigint | string | undefined {
  const { expectedSessionId, expectedGeneration } = question;
  if (expectedSessionId !== undefined && expectedSessionId !== state.session.sessionId) {
    return expectedSessionId;
  }
  const wrong = expectedGeneration !== undefined && expectedGeneration !== state.session.generation;
  return wrong ? expectedGeneration : undefined;
}

function nothingExpected(key: CanonicalKey, question: ResolveQuestion): LanekeeperError {
  if (question.lookUpOnly) return refusalError(noSession(key));
  const expected = question.expectedSessionId ?? String(question.expectedGeneration ?? 0n);
  return new LanekeeperError("GENERATION_MISMATCH", "no session stands under the key yet", {
    metadata: { expected, generation: "0" },
  });
}
