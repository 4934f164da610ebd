import { type CallContext, toStatus, isOutside } from "@lanekeeper/rpc";
import { type AgentId, isKeyWithin, type RuleStep } from "@lanekeeper/session-key";
import type { ExplainKeyRequest } from "@lanekeeper/protocol/lanekeeper/identity/v1/identity_service";
import { hasSession, type KeyState } from "../domain/key-state.ts";
import { freshnessAt } from "../domain/freshness.ts";
import type { IdentityContext } from "../context.ts";
import { LIMITS } from "../limits.ts";
import { checkMayUse, nameCaller } from "../names/caller.ts";
import { bindingOf, checkMayBind } from "../names/bind.ts";
import type { LookedUp } from "../names/resolver.ts";
import { listEquivalences } from "../store/names/list-equivalences.ts";
import { listJournal } from "../store/journal/list-journal.ts";
import { listRotations } from "../store/keys/list-rotations.ts";
import { readTenant } from "../store/tenants/read-tenant.ts";
import type { IdentityRoutes } from "./handler.ts";
import { journalPage } from "./list-journal.ts";
import { type JudgedName, judgeName } from "./normalize-key.ts";
import { agentId, type GivenName, givenName } from "./parse/key.ts";
import { pageSize, readNumberToken } from "./parse/page.ts";
import { showBinding, showEquivalence, showStep } from "./show/binding.ts";
import { showRotation, showSession } from "./show/session.ts";

/** OK for any name: an operator asks because the name was refused. */
export function explainKey(context: IdentityContext): IdentityRoutes["explainKey"] {
  return async (request, call) => {
    const agent = agentId(request.agentId);
    const name = givenName(request.name);
    const limit = pageSize(request.pageSize, LIMITS.maxExplainPageSize);
    const tenant = await readTenant(context.db, call.tenant);
    const { rules } = context.replica;
    const judged = judgeName(rules, agent, name, tenant);
    const looked = await lookUp(context, agent, name, call);
    if (looked instanceof Error) {
      return { steps: judged.steps.map(showStep), refusal: toStatus(looked) };
    }
    const permission: RuleStep[] = [];
    const refusal = refusalOf(looked, call, permission);
    if (!isReached(looked, call)) {
      return { steps: judged.steps.map(showStep), refusal: toStatus(refusal) };
    }
    const found = judgeName(rules, agent, name, tenant, looked.found);
    const steps = [...found.steps, ...ledgerStep(found, looked), ...permission];
    return {
      steps: steps.map(showStep),
      ...(refusal === undefined ? {} : { refusal: toStatus(refusal) }),
      ...(await story(context, looked, request, call, limit)),
    };
  };
}

/** A name that the rules refuse and the ledger does not hold is an answer here, not a failure. */
async function lookUp(
  { resolver }: IdentityContext,
  agent: AgentId | undefined,
  name: GivenName,
  call: CallContext,
): Promise<LookedUp | Error> {
  try {
    return await resolver.lookUp(agent, name, nameCaller(call));
  } catch (error) {
    if (isAboutName(error)) return error;
    throw error;
  }
}

/** Refusals of the rules; that the database is away is a failure also here. */
function isAboutName(error: unknown): error is Error {
  return error instanceof Error && "reason" in error && error.reason !== "STORE_UNAVAILABLE";
}

/** A binding stands whatever the rules make of its name by now. */
function ledgerStep(judged: JudgedName, { key, bound }: LookedUp): readonly RuleStep[] {
  const before = judged.ok ? judged.key : "";
  return !bound || before === key ? [] : [{ rule: "ledger", before, after: key, offset: -1 }];
}

/** What ResolveSession would say to this caller, and by which rules of who may use a key. */
function refusalOf(
  { key, tenant, plan, found, bound }: LookedUp,
  call: CallContext,
  trail: RuleStep[],
): unknown {
  const standing = found.target ?? found.key;
  const leadsTo = standing?.sessionKey ?? key;
  try {
    checkMayUse(key, nameCaller(call), tenant, trail);
    if (leadsTo !== key) checkMayUse(leadsTo, nameCaller(call), tenant);
    if (!bound) checkMayBind(key, tenant, plan.ruleSetVersion);
    return undefined;
  } catch (refusal) {
    return refusal;
  }
}

async function story(
  { db }: IdentityContext,
  looked: LookedUp,
  request: ExplainKeyRequest,
  call: CallContext,
  limit: number,
) {
  const { plan, found, key, bound, tenant } = looked;
  const standing = found.target ?? found.key;
  const sessionKey = standing?.sessionKey ?? key;
  const question = ["explain", call.tenant, sessionKey];
  const before = readNumberToken(question, request.pageToken);
  const equivalences = await listEquivalences(
    db,
    plan.wanted.tenant,
    plan.agentId,
    plan.wanted.party,
  );
  const there = isTold(standing, call) ? standing : undefined;
  const rotations =
    there === undefined
      ? []
      : await listRotations(db, call.tenant, sessionKey, LIMITS.maxExplainRotations);
  const journal = await listJournal(db, {
    tenant: call.tenant,
    sessionKey,
    requestId: "",
    traceId: "",
    turnId: "",
    refusedOnly: false,
    agents: call.agents,
    keyPrefixes: call.keyPrefixes,
    withInternal: !isOutside(call),
    before,
    limit: limit + 1,
  });
  const { entries, nextPageToken } = journalPage(journal, limit, question, call);
  return {
    ...(bound ? { binding: showBinding(bindingOf(plan, found, key)) } : {}),
    equivalences: equivalences.map(showEquivalence),
    ...sessionOf(there, tenant.policies.get(there?.agentId ?? ""), found.nowMs),
    rotations: rotations.map(showRotation),
    journal: entries,
    nextPageToken,
  };
}

function isTold(state: KeyState | undefined, call: CallContext): boolean {
  if (state === undefined || (state.internal && isOutside(call))) return false;
  return isKeyWithin(state.sessionKey, call);
}

/** What a name leads to is told within the credential's bounds alone; which key it means, to anybody. */
function isReached({ key, found }: LookedUp, call: CallContext): boolean {
  const standing = found.target ?? found.key;
  return [key, standing?.sessionKey ?? key].every((each) => isKeyWithin(each, call));
}

function sessionOf(
  state: KeyState | undefined,
  policy: Parameters<typeof freshnessAt>[1],
  nowMs: number,
) {
  if (!hasSession(state)) return {};
  return { session: showSession(state, freshnessAt(state.session, policy, nowMs)) };
}
