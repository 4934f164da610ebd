import { createHash } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import { TurnClass } from "@lanekeeper/protocol/lanekeeper/identity/v1/lifecycle";
import { type Message, Role } from "@lanekeeper/protocol/lanekeeper/runner/v1/message";
import { OnConflict, OriginSchema } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import type { TurnEnded } from "@lanekeeper/protocol/lanekeeper/runner/v1/runner_service";
import { isReason, LanekeeperError } from "@lanekeeper/rpc";
import { agentOf, type CanonicalKey } from "@lanekeeper/session-key";
import { linkedSignal, traceIdOf } from "@lanekeeper/service";
import { textMessage } from "../domain/context.ts";
import { filesOf, textOf } from "../domain/message-text.ts";
import { stateOf } from "../domain/turn-state.ts";
import { LIMITS } from "../limits.ts";
import { isAwaitedAbove } from "../store/nested/awaited-above.ts";
import { releaseChildTurn, takeChildTurn } from "../store/nested/child-turns.ts";
import type { NestedTurn, NewLaneTurn } from "../store/admission/new-turn.ts";
import { removeEdge, type WaitEdge, wouldDeadlock } from "../store/nested/wait-edges.ts";
import type { ToolContext } from "../tools/tool.ts";
import type { SessionMessage, SessionMessageOutcome } from "../tools/tool-deps.ts";
import { defaultRouteOf } from "./default-route.ts";
import type { RunnerDeps } from "../deps.ts";
import { follow, type FollowParts } from "../attaching/follow.ts";
import type { LocalRuns } from "../runs/local-runs.ts";
import { nestedKey, refuseSpentChain, refuseSpentRequest } from "./nested-budget.ts";
import { persist } from "../persist.ts";
import { RunAborted } from "../runs/run-abort.ts";
import { watchWait } from "./watch-wait.ts";

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
 * keeps renewing its lease and gives its slot back meanwhile. A reply that comes after the wait becomes
 * a turn of the sender's session; one that nobody waited for goes by the other session's default route.
 * @throws HOP_LIMIT, WOULD_DEADLOCK, WAIT_EXPIRED, what session-identity and delivery refuse, and the
 * reason that the turn failed with.
 */
export async function submitNested(
  parts: NestedParts,
  message: SessionMessage,
  timeoutMs: number = LIMITS.nestedWaitMs,
): Promise<SessionMessageOutcome> {
  const { from, wait, onConflict } = message;
  refuseSpentChain(from);
  await refuseSpentRequest(parts.deps.db, from);
  const session = await resolve(parts, message);
  if (STOPPING.has(onConflict) && from.callChain.includes(session.sessionKey)) {
    throw deadlock(session.sessionKey);
  }
  const tells = wait ? tellsOf(from, { isRouted: false, isAwaited: true }) : undefined;
  const { tenant, principal, signal } = from;
  const call = { tenant, principal, signal, within: from };
  const routeId = wait ? "" : await defaultRouteOf(parts.deps, call, session.sessionKey);
  const sent = { source: "sessions_send", rawKey: message.key, routeId, tells, isMinted: false };
  const turn = nestedTurn(parts, message, session, sent);
  return sendNested(parts, from, turn, wait ? timeoutMs : undefined);
}

/** What is done to the turn that runs there: it may be one that waits for this very turn. */
const STOPPING: ReadonlySet<OnConflict> = new Set([
  OnConflict.INTERRUPT,
  OnConflict.ROLLBACK,
  OnConflict.STEER,
]);

/** A turn without a session cannot be told anything once it is over. */
export function tellsOf(
  { turnId, session, principal }: ToolContext,
  how: { readonly isRouted: boolean; readonly isAwaited: boolean },
): NestedTurn["tells"] {
  if (session === undefined) return undefined;
  const parentSessionKey = session.sessionKey;
  return { parentTurnId: turnId, parentSessionKey, principal, ...how };
}

/** Admits a nested turn, and waits for it as long as is said; undefined: not at all. */
export async function sendNested(
  parts: NestedParts,
  from: ToolContext,
  turn: NewLaneTurn,
  timeoutMs: number | undefined,
): Promise<SessionMessageOutcome> {
  if (timeoutMs !== undefined) return waitFor(parts, from, turn, timeoutMs);
  const turnId = await parts.submit(turn);
  const { sessionKey, sessionId } = turn.session;
  return { sessionKey, sessionId, turnId, reply: undefined };
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

/** How a nested turn came about. */
export interface Sent {
  readonly source: string;
  readonly rawKey: string;
  readonly routeId: string;
  readonly tells: NestedTurn["tells"];
  readonly isMinted: boolean;
}

export function nestedTurn(
  { deps }: Pick<NestedParts, "deps">,
  { from, text, onConflict }: Pick<SessionMessage, "from" | "text" | "onConflict">,
  session: NewLaneTurn["session"],
  { source, rawKey, routeId, tells, isMinted }: Sent,
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
    onConflict,
    idempotencyKey: nestedKey(from),
    fingerprint: createHash("sha256").update(content).digest(),
    keyIsGenerated: false,
    clientRetryCount: 0,
    requestId: nestedKey(from),
    traceId: traceIdOf(from.traceparent) ?? "",
    traceparent: from.traceparent,
    origin: create(OriginSchema, { source, rawKey }),
    routeId,
    maxWaitMs: undefined,
    parameters: "{}",
    messages: [textMessage(Role.USER, text)],
    parentTurnId: from.turnId,
    callChain: from.callChain,
    rootTurnId: from.rootTurnId,
    nested: { ...sentBy(from), isMinted, tells },
  };
}

function sentBy({ runId, rootTurnId, nestedTurnsPerRequest }: ToolContext) {
  return { parentRunId: runId, rootTurnId, nestedTurnsPerRequest };
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
  const edge = session && {
    tenant,
    runId,
    turnId: from.turnId,
    fromKey: session.sessionKey,
    toKey: sessionKey,
  };
  const isAbove = from.callChain.includes(sessionKey);
  if (isAbove && (await isAwaitedAbove(db, from, sessionKey))) throw deadlock(sessionKey);
  if (edge !== undefined && (await wouldDeadlock(db, edge))) throw deadlock(sessionKey);
  const noMore = async (): Promise<void> => {
    if (edge === undefined) return;
    await persist(parts.deps, "remove an edge", () => removeEdge(db, tenant, runId));
  };
  const turnId = await parts
    .submit(turn)
    .catch((error: unknown) => noMore().then(() => Promise.reject(error)));
  const wait = { from, turnId, sessionKey, edge, timeoutMs };
  // Whoever then waits for a slot waits for no lane.
  const waited = () => untilEnded(parts, wait).finally(noMore);
  const ended = await parts.runs.asideWhile(runId, waited);
  await take(parts, from, turnId);
  const reply = replyOf(ended, turnId);
  return { sessionKey, sessionId, turnId, reply: textOf(reply), files: filesOf(reply) };
}

/** The outcome is this tool's result, and becomes no turn. */
async function take({ deps }: NestedParts, from: ToolContext, childTurnId: string): Promise<void> {
  const { session, tenant, turnId, runId } = from;
  if (session === undefined) return;
  const parent = { tenant, sessionKey: session.sessionKey, turnId, runId };
  const isHeld = await persist(deps, "take an outcome", () =>
    takeChildTurn(deps.db, parent, childTurnId),
  );
  if (!isHeld) throw new RunAborted({ kind: "lost" });
}

/** A wait for a nested turn. */
interface Wait {
  readonly from: ToolContext;
  readonly turnId: string;
  readonly sessionKey: string;
  /** Undefined: the waiter holds no lane. */
  readonly edge: WaitEdge | undefined;
  readonly timeoutMs: number;
}

async function untilEnded({ deps, followParts }: NestedParts, wait: Wait): Promise<TurnEnded> {
  const { from, turnId, sessionKey, edge, timeoutMs } = wait;
  const late = new AbortController();
  const timer = deps.clock.setTimer(timeoutMs, () => late.abort(waitExpired(from, turnId)));
  using linked = linkedSignal(from.signal, late.signal);
  const { signal } = linked;
  const followed = { tenant: from.tenant, turnId, sessionKey };
  if (edge !== undefined) watchWait(deps, edge, signal, (key) => late.abort(deadlock(key)));
  try {
    const wait = () => endOf(followParts, followed, signal);
    return await persist(deps, "follow a nested turn", wait, signal);
  } catch (error) {
    if (!late.signal.aborted) throw error;
    // The run goes on without it: what comes of the turn is told as a turn.
    await persist(deps, "release an outcome", () => releaseChildTurn(deps.db, from.tenant, turnId));
    throw late.signal.reason;
  } finally {
    timer.cancel();
    late.abort();
  }
}

async function endOf(
  parts: FollowParts,
  turn: Parameters<typeof follow>[1],
  signal: AbortSignal,
): Promise<TurnEnded> {
  for await (const { event } of follow(parts, turn, 0n, signal)) {
    if (event.case === "ended") return event.value;
  }
  throw new Error(`turn ${turn.turnId} was followed to no end`);
}

function waitExpired({ session }: ToolContext, turnId: string): LanekeeperError {
  const later = session === undefined ? "" : "; its answer will come as a message";
  const message = `the other session has not answered yet${later}`;
  return new LanekeeperError("WAIT_EXPIRED", message, {
    metadata: { turn_id: turnId },
  });
}

function replyOf(ended: TurnEnded, turnId: string): Message {
  if (ended.reply !== undefined) return ended.reply;
  const reason = isReason(ended.errorReason) ? ended.errorReason : "MODEL_FAILED";
  const message = `the turn ended as ${stateOf(ended.state)}: ${ended.errorMessage}`;
  throw new LanekeeperError(reason, message, { metadata: { turn_id: turnId } });
}
