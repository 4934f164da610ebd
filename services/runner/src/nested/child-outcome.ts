import { create } from "@bufbuild/protobuf";
import { TurnClass } from "@lanekeeper/protocol/lanekeeper/identity/v1/lifecycle";
import type { SessionRef } from "@lanekeeper/protocol/lanekeeper/identity/v1/session";
import {
  type Message,
  MessageSchema,
  Role,
} from "@lanekeeper/protocol/lanekeeper/runner/v1/message";
import { OnConflict, OriginSchema } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { hasReason, notFound, type TracedWork } from "@lanekeeper/rpc";
import { agentOf, type CanonicalKey } from "@lanekeeper/session-key";
import { textMessage } from "../domain/context.ts";
import { textOf } from "../domain/message-text.ts";
import { LIMITS } from "../limits.ts";
import type { ChildTurn } from "../store/nested/child-turns.ts";
import type { NewLaneTurn } from "../store/admission/new-turn.ts";
import { readTurn } from "../store/attaching/read-turn.ts";
import type { StoredTurn } from "../store/turn-row.ts";
import type { RunnerDeps } from "../deps.ts";
import { refuseErasedParent } from "./erased-parent.ts";
import { routeOfOutcome } from "./route-of-outcome.ts";
import { SPAWNED } from "./spawn.ts";

type OutcomeDeps = Pick<RunnerDeps, "db" | "identity" | "delivery">;

/** How the outcome of a turn reaches the session that sent it, where nobody waits for it there. */
export interface OutcomeOptions {
  readonly idempotencyKey: string;
  readonly fingerprint: Uint8Array;
  /**
   * What was delivered; `withheld`: a reset came before it was delivered; undefined: what the turn left,
   * unless a reset came after it.
   */
  readonly reply: Message | "withheld" | undefined;
}

/**
 * A turn of the parent's session, wherever that is now, with what became of its child.
 * @throws NOT_FOUND: the turn, or who was to hear of it, is not there any more
 */
export async function outcomeTurn(
  deps: OutcomeDeps,
  child: ChildTurn,
  options: OutcomeOptions,
): Promise<Omit<NewLaneTurn, "turnId">> {
  const { tenant, childTurnId, principal } = child;
  const turn = await readTurn(deps.db, tenant, childTurnId);
  if (turn === undefined) throw notFound("turn", childTurnId);
  const session = await parentOf(deps, child, turn);
  await refuseErasedParent(deps, child, session);
  const { idempotencyKey, fingerprint, reply } = options;
  return {
    tenant,
    principal,
    agentId: agentOf(session.sessionKey as CanonicalKey),
    session,
    requiredGeneration: 0n,
    turnClass: TurnClass.SYSTEM,
    onConflict: OnConflict.ENQUEUE,
    idempotencyKey,
    fingerprint,
    keyIsGenerated: false,
    clientRetryCount: 0,
    requestId: idempotencyKey,
    traceId: turn.traceId,
    traceparent: turn.traceparent,
    origin: create(OriginSchema, { source: turn.origin.source, rawKey: turn.sessionKey ?? "" }),
    routeId: await routeOfOutcome(deps, child, session.sessionKey, turn),
    maxWaitMs: undefined,
    parameters: "{}",
    messages: [
      outcomeMessage(turn, reply ?? (await left(deps, await answerOf(deps, turn), principal))),
    ],
    parentTurnId: undefined,
    // The chain that sent the child has gone its way: this is the beginning of another.
    callChain: [],
    rootTurnId: turn.rootTurnId ?? turn.parentTurnId,
    childTurnId,
  };
}

/** The turn that answers: of a message that was handed to another turn, that one. */
async function answerOf({ db }: Pick<OutcomeDeps, "db">, turn: StoredTurn): Promise<StoredTurn> {
  if (turn.state !== "COALESCED" || turn.intoTurnId === undefined) return turn;
  return (await readTurn(db, turn.tenant, turn.intoTurnId)) ?? turn;
}

/** What a turn left for who sent it; as of a reply that goes through delivery its fence is asked. */
async function left(
  { identity }: OutcomeDeps,
  turn: StoredTurn,
  principal: string,
): Promise<OutcomeOptions["reply"]> {
  const { tenant, turnId, sessionKey, sessionId, generation, reply } = turn;
  if (sessionKey === undefined || sessionId === undefined || generation === undefined) return reply;
  if (reply === undefined) return undefined;
  // Delivery has no id for it; only the generation is judged.
  const fence = { session: { sessionKey, sessionId, generation }, turnId, deliveryId: turnId };
  try {
    const call = { tenant, principal, within: turn };
    await identity.checkFence({ writer: { case: "reply", value: fence } }, call);
    return reply;
  } catch (error) {
    if (hasReason(error, "STALE_GENERATION")) return "withheld";
    throw error;
  }
}

async function parentOf(
  { identity }: OutcomeDeps,
  { tenant, principal, parentSessionKey }: ChildTurn,
  within: TracedWork,
): Promise<SessionRef> {
  let key = parentSessionKey;
  for (let hops = 0; hops < LIMITS.parentDepth; hops++) {
    const by = { case: "sessionKey" as const, value: key };
    const call = { tenant, principal, within };
    const { session } = await identity.getSession({ session: by }, call);
    if (session?.movedToSessionKey) key = session.movedToSessionKey;
    else if (session?.ref !== undefined) return session.ref;
    else break;
  }
  throw notFound("session", parentSessionKey);
}

function outcomeMessage(turn: StoredTurn, reply: OutcomeOptions["reply"]): Message {
  if (reply === "withheld") return textMessage(Role.USER, `${nameOf(turn)} ${WITHHELD}`);
  if (reply === undefined) return textMessage(Role.USER, `${nameOf(turn)} ${endOf(turn)}`);
  const said = textOf(reply);
  const files = reply.parts.filter(({ content }) => content.case === "file");
  const text = `${nameOf(turn)} ${said === "" ? "has answered without words." : `has answered:\n${said}`}`;
  const parts = [{ content: { case: "text" as const, value: text } }, ...files];
  return create(MessageSchema, { role: Role.USER, parts });
}

const WITHHELD =
  "has answered, and its session was reset before the answer was sent here: the answer does not come.";

function nameOf({ sessionKey, origin, turnId }: StoredTurn): string {
  const what = origin.source === SPAWNED ? "The subagent" : "The session";
  return `${what} ${sessionKey ?? ""} (turn ${turnId})`;
}

/** What is told of a turn that left no reply. */
export function endOf({ state, errorReason, errorMessage }: StoredTurn): string {
  const why = errorReason === "" ? "" : ` (${errorReason}: ${errorMessage})`;
  return `gave no answer: its turn ended as ${state}${why}.`;
}
