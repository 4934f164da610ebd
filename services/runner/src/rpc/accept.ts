import type { MessageInitShape } from "@bufbuild/protobuf";
import { isUnavailable } from "@lanekeeper/postgres";
import { durationMs } from "@bufbuild/protobuf/wkt";
import type { AgentConfig } from "@lanekeeper/protocol/lanekeeper/runner/v1/agent";
import type { SubmitTurnResponseSchema } from "@lanekeeper/protocol/lanekeeper/runner/v1/runner_service";
import { Disposition, OnConflict, Overflow } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { ProgressPhase } from "@lanekeeper/protocol/lanekeeper/delivery/v1/delivery_service";
import { draining, LanekeeperError, later } from "@lanekeeper/rpc";
import { LIMITS } from "../limits.ts";
import type { RunnerContext } from "../context.ts";
import type { AdmissionResult } from "../admission/admission-result.ts";
import { admit } from "../admission/admission.ts";
import { INTERRUPTED_TEXT } from "../domain/stop-text.ts";
import type { NoRoom, Room } from "../runs/rooms.ts";
import { progressOf, showProgress } from "../runs/progress.ts";
import { logOf } from "../turn-fields.ts";
import { type RunSlot, UNBOUND } from "../lanes/run-slots.ts";
import type { NewTurn } from "../store/admission/new-turn.ts";
import { findRequest } from "../store/admission/find-request.ts";
import { isOfLane } from "../store/turn-row.ts";
import { nameOf } from "../domain/disposition-name.ts";
import type { ParsedSubmit } from "./parse-submit.ts";

/**
 * Accepts a turn and, where its lane is free, starts it here. Whatever the caller does next, the turn
 * goes on.
 */
export async function accept(
  context: RunnerContext,
  parsed: ParsedSubmit,
  hasCaller: boolean,
): Promise<AdmissionResult> {
  const { deps, runner, agents, runs, slots, relay } = context;
  // A run that goes on meanwhile may send; another replica takes what it sends.
  if (runner.isDraining && parsed.nested === undefined) throw draining();
  const agent = await agents.listed(parsed.tenant, parsed.agentId);
  if (agent === undefined && !(await isKnown(context, parsed))) {
    throw new LanekeeperError("UNKNOWN_MODEL", `the tenant has no agent ${parsed.agentId}`, {
      metadata: { agent_id: parsed.agentId },
    });
  }
  const isStateless = parsed.session === undefined;
  const found = isStateless
    ? await runs.rooms.holdOnceKnown(parsed.tenant)
    : (runs.rooms.hold(parsed.tenant) ?? "full");
  using room = typeof found === "string" ? undefined : found;
  const given = isStateless ? await statelessSlot(context, parsed, found) : UNBOUND;
  const [slot, noSlot] = given instanceof LanekeeperError ? [UNBOUND, given] : [given, undefined];
  const isBound = await slots.isBound(parsed.tenant, parsed.agentId);
  const turn = newTurn(parsed, agent, deps.ids.uuid());
  // Under a bound the lane whose turn was accepted first is served first.
  const mayClaim = room !== undefined && !runner.isDraining && !isBound;
  const claimRunId = mayClaim ? deps.runIds.mint() : undefined;
  const result = await admit(deps, turn, {
    claimRunId,
    hasCaller,
    maxWaiting: maxWaiting(agent, parsed),
    refusal: noSlot ?? relay.backlog.refusalOf(parsed),
  }).catch((error: unknown) => {
    if (isUnavailable(error)) noteLostClaim(context, turn, claimRunId);
    return slot.free().then(() => Promise.reject(error));
  });
  if (result.claimedRunId === undefined) await slot.free();
  report(context, result);
  showQueued(context, result);
  if (result.stopped !== undefined) {
    const { runId, stop } = result.stopped;
    runs.abort(runId, { kind: "stopped", stop, note: INTERRUPTED_TEXT });
  }
  noteSteer(context, result);
  start(context, result, slot);
  // Without room here it is looked at again as soon as there is some.
  if ((isBound || room === undefined) && parsed.session !== undefined) {
    runner.pump(parsed.tenant, parsed.session.sessionKey, true);
  }
  return placed(context, result);
}

/** The turn may have been stored all the same, with a claim of which nobody here was told. */
function noteLostClaim(
  { runner }: RunnerContext,
  { tenant, session, turnId }: NewTurn,
  runId: string | undefined,
): void {
  if (session === undefined || runId === undefined) return;
  runner.lostClaims.add({ tenant, sessionKey: session.sessionKey, turnId, runId });
}

/** A turn that was accepted before may still wait, and so may the one that a turn has become a part of. */
async function placed(
  { followParts }: RunnerContext,
  result: AdmissionResult,
): Promise<AdmissionResult> {
  const { turn, disposition } = result;
  const { state, intoTurnId } = turn;
  if (disposition !== Disposition.JOINED && disposition !== Disposition.COALESCED) return result;
  const waits =
    state === "COALESCED" && intoTurnId !== undefined
      ? ({ ...turn, turnId: intoTurnId, state: "QUEUED" } as const)
      : turn;
  return { ...result, position: await followParts.positions.before(waits) };
}

/** It runs at once or not at all: there is no queue for it. Gives its slot, or why it has none. */
async function statelessSlot(
  { slots }: RunnerContext,
  { tenant, agentId }: ParsedSubmit,
  room: Room | NoRoom,
): Promise<RunSlot | LanekeeperError> {
  if (room === "full") return refusedRoom("runs_per_replica", "this replica runs");
  if (room === "crowded") return refusedRoom("waiting_for_room", "for room on this replica wait");
  const slot = await slots.take(tenant, agentId);
  if (typeof slot !== "string") return slot;
  return later("RATE_LIMITED", `the ${slot}: as many turns run as its max_concurrent_runs`, 1_000, {
    metadata: { bound: "max_concurrent_runs", agent_id: agentId },
  });
}

function refusedRoom(bound: string, where: string): LanekeeperError {
  const limit = String(LIMITS.activeRunsPerReplica);
  return later("RATE_LIMITED", `${where} ${limit} turns, as many as may`, 1_000, {
    metadata: { bound, limit },
  });
}

/** A run shows by itself that it runs; whoever waits is told at once, and then by the run that holds the lane. */
function showQueued({ deps }: RunnerContext, { turn, disposition }: AdmissionResult): void {
  if (disposition !== Disposition.QUEUED || !isOfLane(turn)) return;
  const { admittedSessionId: sessionId, admittedGeneration: generation } = turn;
  showProgress(deps, progressOf(turn, { sessionId, generation }), ProgressPhase.QUEUED);
}

/** Before its model is asked, a run looks for messages only where it has reason to. */
function noteSteer({ runs }: RunnerContext, { turn, disposition }: AdmissionResult): void {
  const { tenant, sessionKey, intoTurnId } = turn;
  if (disposition !== Disposition.STEERED || sessionKey === undefined) return;
  if (intoTurnId !== undefined) runs.noteSteer(tenant, sessionKey, intoTurnId);
}

/** Also those that may be left out. */
type EachField = { readonly [Field in keyof Required<NewTurn>]: NewTurn[Field] };

/** With the agent's defaults. Each field is written out: all turns have one shape (docs/decisions/0057). */
function newTurn(parsed: ParsedSubmit, agent: AgentConfig | undefined, turnId: string): EachField {
  return {
    tenant: parsed.tenant,
    principal: parsed.principal,
    turnId,
    agentId: parsed.agentId,
    session: parsed.session,
    requiredGeneration: parsed.requiredGeneration,
    turnClass: parsed.turnClass,
    onConflict: parsed.onConflict ?? (agent?.onConflict || OnConflict.ENQUEUE),
    idempotencyKey: parsed.idempotencyKey,
    fingerprint: parsed.fingerprint,
    keyIsGenerated: parsed.keyIsGenerated,
    clientRetryCount: parsed.clientRetryCount,
    firstTryAgeMs: parsed.firstTryAgeMs,
    requestId: parsed.requestId,
    traceId: parsed.traceId,
    traceparent: parsed.traceparent,
    origin: parsed.origin,
    routeId: parsed.routeId,
    maxWaitMs: parsed.maxWaitMs,
    parameters: parsed.parameters,
    messages: parsed.messages,
    parentTurnId: parsed.parentTurnId,
    callChain: parsed.callChain,
    rootTurnId: parsed.rootTurnId,
    debounceMs: parsed.debounceMs ?? debounceOf(agent),
    dropsOldest: (parsed.overflow ?? agent?.overflow) === Overflow.DROP_OLDEST,
    nested: parsed.nested,
    childTurnId: parsed.childTurnId,
  };
}

/** What a subagent found is never refused: its session has asked for it. */
function maxWaiting(agent: AgentConfig | undefined, { childTurnId }: ParsedSubmit): number {
  if (childTurnId !== undefined) return LIMITS.unboundedTurns;
  return agent?.maxWaitingTurns || LIMITS.waitingTurnsPerLane;
}

function debounceOf(agent: AgentConfig | undefined): number {
  return agent?.debounce === undefined ? LIMITS.coalesceDebounceMs : durationMs(agent.debounce);
}

async function isKnown({ deps }: RunnerContext, parsed: ParsedSubmit): Promise<boolean> {
  const { tenant, principal, idempotencyKey } = parsed;
  return (await findRequest(deps.db, tenant, principal, idempotencyKey)) !== undefined;
}

function report({ deps }: RunnerContext, result: AdmissionResult): void {
  const { turn, disposition, position, droppedTurnId } = result;
  const name = nameOf(disposition);
  deps.metrics.admitted(name);
  if (disposition !== Disposition.JOINED) deps.metrics.laneDepth(position);
  logOf(deps.log, turn).info({ position }, "turn accepted");
  if (droppedTurnId === undefined) return;
  deps.metrics.ended("SKIPPED", "TURN_SKIPPED");
  logOf(deps.log, turn).info({ dropped_turn_id: droppedTurnId }, "a waiting turn was dropped");
}

function start(
  { runner }: RunnerContext,
  { turn, claimedRunId }: AdmissionResult,
  slot: RunSlot,
): void {
  if (claimedRunId === undefined) return;
  if (isOfLane(turn)) runner.runClaimed(turn, claimedRunId);
  else runner.runStateless(turn, claimedRunId, slot);
}

/** The answer to who submitted. */
export function acceptedMessage(
  result: AdmissionResult,
): MessageInitShape<typeof SubmitTurnResponseSchema> {
  const { turn, position } = result;
  const disposition = result.toldAs ?? result.disposition;
  const { sessionKey, turnId } = turn;
  const session = {
    sessionKey: sessionKey ?? "",
    sessionId: turn.sessionId ?? turn.admittedSessionId,
    generation: turn.generation ?? turn.admittedGeneration,
  };
  return {
    turnId,
    disposition,
    position,
    intoTurnId: turn.intoTurnId ?? "",
    ...(sessionKey === undefined ? {} : { session }),
  };
}
