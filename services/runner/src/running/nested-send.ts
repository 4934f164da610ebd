import { createHash } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import { TurnClass } from "@lanekeeper/protocol/lanekeeper/identity/v1/lifecycle";
import { Role } from "@lanekeeper/protocol/lanekeeper/runner/v1/message";
import { OnConflict, OriginSchema } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import type { TurnEnded } from "@lanekeeper/protocol/lanekeeper/runner/v1/runner_service";
import { isReason, LanekeeperError } from "@lanekeeper/rpc";
import { agentOf, type CanonicalKey } from "@lanekeeper/session-key";
import { textMessage } from "../domain/context.ts";
import { textOf } from "../domain/message-text.ts";
import { stateOf } from "../domain/turn-state.ts";
import { LIMITS } from "../limits.ts";
import type { NewLaneTurn } from "../store/new-turn.ts";
import { removeEdge, wouldDeadlock } from "../store/wait-edges.ts";
import type { ToolContext } from "../tools/tool.ts";
import type { SessionMessage, SessionMessageOutcome } from "../tools/tool-deps.ts";
import type { RunnerDeps } from "./deps.ts";
import { follow, type FollowParts } from "./follow.ts";
import type { LocalRuns } from "./local-runs.ts";
import { traceIdOf } from "./trace-id.ts";

/** What a nested send needs of the runner. */
export interface NestedParts {
  readonly deps: RunnerDeps;
  readonly runs: LocalRuns;
  readonly followParts: FollowParts;
  /** Admits a turn into its lane, for a caller who is not attached. */
  readonly submit: (turn: NewLaneTurn) => Promise<string>;
}

/**
 * Sends a message of a turn into another session. The send is known by the turn and its step, so that
 * the turn's next run repeats it without effect. Where the sender waits, it gets the reply; its run
 * keeps renewing its lease and gives its slot back meanwhile.
 * @throws HOP_LIMIT, WOULD_DEADLOCK, WAIT_EXPIRED, what session-identity refuses, and the reason that
 * the turn failed with.
 */
export async function submitNested(
  parts: NestedParts,
  message: SessionMessage,
  timeoutMs: number = LIMITS.nestedWaitMs,
): Promise<SessionMessageOutcome> {
  const { from, wait } = message;
  const session = await resolve(parts, message);
  const { sessionKey, sessionId } = session;
  if (from.callChain.length >= LIMITS.hopBudget) {
    throw new LanekeeperError(
      "HOP_LIMIT",
      `the chain of sends has used its ${LIMITS.hopBudget} hops`,
    );
  }
  if (wait && from.callChain.includes(sessionKey)) throw deadlock(sessionKey);
  const turn = nestedTurn(parts, message, session);
  if (!wait) {
    const turnId = await parts.submit(turn);
    return { sessionKey, sessionId, turnId, reply: undefined };
  }
  return waitFor(parts, from, turn, timeoutMs);
}

function deadlock(sessionKey: string): LanekeeperError {
  return new LanekeeperError("WOULD_DEADLOCK", "waiting there would close a cycle of lanes", {
    metadata: { session_key: sessionKey },
  });
}

async function resolve({ deps }: NestedParts, { from, key, agentId }: SessionMessage) {
  const { tenant, principal, signal, traceparent } = from;
  const { session } = await deps.identity.resolveSession(
    {
      // A canonical key names its agent itself; a raw one is the sender's own agent's unless told.
      agentId: agentId ?? (/^agent:/i.test(key) ? "" : from.agentId),
      name: { case: "rawKey", value: key },
    },
    { tenant, principal, signal, traceparent: traceparent || undefined },
  );
  const ref = session?.ref;
  if (ref === undefined)
    throw new LanekeeperError("INTERNAL", "a resolved session has no reference");
  return ref;
}

function nestedTurn(
  { deps }: NestedParts,
  { from, key, text }: SessionMessage,
  session: NewLaneTurn["session"],
): NewLaneTurn {
  const content = JSON.stringify([session.sessionKey, text]);
  return {
    tenant: from.tenant,
    principal: from.principal,
    turnId: deps.ids.uuid(),
    agentId: agentOf(session.sessionKey as CanonicalKey),
    session,
    requiredGeneration: 0n,
    turnClass: TurnClass.SYSTEM,
    onConflict: OnConflict.ENQUEUE,
    idempotencyKey: `${from.turnId}/${from.step}`,
    fingerprint: createHash("sha256").update(content).digest(),
    keyIsGenerated: false,
    clientRetryCount: 0,
    requestId: `${from.turnId}/${from.step}`,
    traceId: traceIdOf(from.traceparent),
    traceparent: from.traceparent,
    origin: create(OriginSchema, { source: "sessions_send", rawKey: key }),
    routeId: "",
    maxWaitMs: undefined,
    parameters: "{}",
    messages: [textMessage(Role.USER, text)],
    parentTurnId: from.turnId,
    callChain: from.callChain,
  };
}

async function waitFor(
  parts: NestedParts,
  from: ToolContext,
  turn: NewLaneTurn,
  timeoutMs: number,
): Promise<SessionMessageOutcome> {
  const { db } = parts.deps;
  const { sessionKey, sessionId } = turn.session;
  const { tenant, runId, session } = from;
  // A turn without a session holds no lane, so nobody can wait for it.
  const holdsLane = session !== undefined;
  if (holdsLane) {
    const edge = {
      tenant,
      runId,
      turnId: from.turnId,
      fromKey: session.sessionKey,
      toKey: sessionKey,
    };
    if (await wouldDeadlock(db, edge)) throw deadlock(sessionKey);
  }
  try {
    const turnId = await parts.submit(turn);
    const ended = await parts.runs.asideWhile(() =>
      untilEnded(parts, from, turn, turnId, timeoutMs),
    );
    return { sessionKey, sessionId, turnId, reply: replyOf(ended, turnId) };
  } finally {
    if (holdsLane) await removeEdge(db, tenant, runId);
  }
}

async function untilEnded(
  { deps, followParts }: NestedParts,
  from: ToolContext,
  turn: NewLaneTurn,
  turnId: string,
  timeoutMs: number,
): Promise<TurnEnded> {
  const late = new AbortController();
  const timer = deps.clock.setTimer(timeoutMs, () => late.abort(waitExpired(turnId)));
  const signal = AbortSignal.any([from.signal, late.signal]);
  const followed = { tenant: from.tenant, turnId, sessionKey: turn.session.sessionKey };
  try {
    for await (const { event } of follow(followParts, followed, 0n, signal)) {
      if (event.case === "ended") return event.value;
    }
  } finally {
    timer.cancel();
  }
  throw new Error(`turn ${turnId} was followed to no end`);
}

function waitExpired(turnId: string): LanekeeperError {
  return new LanekeeperError("WAIT_EXPIRED", "the other session has not answered yet", {
    metadata: { turn_id: turnId },
  });
}

function replyOf(ended: TurnEnded, turnId: string): string {
  if (ended.reply !== undefined) return textOf(ended.reply);
  const reason = isReason(ended.errorReason) ? ended.errorReason : "MODEL_FAILED";
  const message = `the turn ended as ${stateOf(ended.state)}: ${ended.errorMessage}`;
  throw new LanekeeperError(reason, message, { metadata: { turn_id: turnId } });
}
