import { randomUUID } from "node:crypto";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { type CallOptions, type Caller, hasReason, LanekeeperError } from "@lanekeeper/rpc";
import { TurnClass } from "@lanekeeper/protocol/lanekeeper/identity/v1/lifecycle";
import type { SessionRef } from "@lanekeeper/protocol/lanekeeper/identity/v1/session";
import type {
  SubmitTurnRequestSchema,
  SubmitTurnResponse,
} from "@lanekeeper/protocol/lanekeeper/runner/v1/runner_service";
import type { Turn } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import type { AgentDirectory } from "../agents/agent-directory.ts";
import type { ChatRequest } from "../openai/parse-chat-request.ts";
import type { AttachTarget, Attaching, TurnEvent } from "./attach-turn.ts";
import type { IdentityClient, RunnerClient } from "@lanekeeper/client";
import { type DispositionWord, dispositionWord } from "./disposition.ts";
import { followTurn } from "./follow-turn.ts";

/** What opening a turn needs. */
export interface Opening extends Attaching {
  readonly identity: Pick<IdentityClient, "resolveSession">;
  readonly runner: Pick<RunnerClient, "attachTurn" | "findTurn">;
  readonly agents: AgentDirectory;
}

/** Who asks, in what words, and until when. */
export interface TurnRequest {
  readonly chat: ChatRequest;
  readonly fingerprint: Uint8Array;
  readonly caller: Caller;
  readonly requestId: string;
  /** Ends the attachment; the turn goes on. */
  readonly signal: AbortSignal;
  /** Told as soon as the name has led to a session, also where the turn is refused then. */
  readonly onSession: (session: SessionRef) => void;
}

/** A turn that was accepted, now or before. */
export interface OpenTurn {
  readonly turnId: string;
  readonly session: SessionRef | undefined;
  readonly disposition: DispositionWord;
  readonly position: number;
  /** What follows `accepted`; ends with `ended`. To be read, or returned from, once. */
  readonly events: AsyncGenerator<TurnEvent, void>;
}

/**
 * Takes a request to its turn: one that its idempotency key was used for before, else a new one under
 * the session that its name leads to. What comes before acceptance is not ended by the caller's
 * leaving: a request that arrived whole is not lost because a phone went out of reach.
 * @throws what session-identity or the runner refuses with, UNKNOWN_MODEL, PERMISSION_DENIED,
 * STORE_UNAVAILABLE
 */
export async function openTurn(deps: Opening, request: TurnRequest): Promise<OpenTurn> {
  const known = await findTurn(deps, request);
  if (known?.session !== undefined) request.onSession(known.session);
  const target: AttachTarget =
    known === undefined
      ? { case: "submit", value: await submission(deps, request) }
      : { case: "turnId", value: known.turnId };
  const { signal } = request;
  const events = followTurn(deps, target, { ...callOptions(request), signal });
  const accepted = await firstEvent(events);
  return {
    turnId: accepted.turnId,
    session: accepted.session ?? known?.session,
    disposition: known === undefined ? dispositionWord(accepted.disposition) : "joined",
    position: accepted.position,
    events,
  };
}

/** Retries reach over a restart of a neighbour, about 6 s. */
const RETRY = { maxAttempts: 10 };

function callOptions({ caller, requestId }: TurnRequest): CallOptions {
  return { ...caller, requestId, retry: RETRY };
}

/** Looked up before the name is resolved: a repeat gets its turn whatever became of the name since. */
async function findTurn(deps: Opening, request: TurnRequest): Promise<Turn | undefined> {
  const { idempotencyKey } = request.chat.options;
  if (idempotencyKey === "") return undefined;
  const { fingerprint } = request;
  try {
    const found = await deps.runner.findTurn({ idempotencyKey, fingerprint }, callOptions(request));
    return found.turn;
  } catch (error) {
    if (hasReason(error, "NOT_FOUND")) return undefined;
    throw error;
  }
}

async function submission(
  deps: Opening,
  request: TurnRequest,
): Promise<MessageInitShape<typeof SubmitTurnRequestSchema>> {
  const { chat, fingerprint } = request;
  const { options } = chat;
  return {
    idempotencyKey: options.idempotencyKey || randomUUID(),
    keyIsGenerated: options.idempotencyKey === "",
    fingerprint,
    target: await targetOf(deps, request),
    requireGeneration: options.expectedGeneration !== 0n || options.expectedSessionId !== "",
    onConflict: options.onConflict,
    turnClass: TurnClass.PERSON,
    messages: [...chat.messages],
    origin: { source: "http", rawKey: chat.rawKey ?? "" },
    parameters: chat.parameters,
    clientRetryCount: options.clientRetryCount,
  };
}

type SubmitTarget = NonNullable<MessageInitShape<typeof SubmitTurnRequestSchema>["target"]>;

async function targetOf(deps: Opening, request: TurnRequest): Promise<SubmitTarget> {
  const { chat, caller } = request;
  if (chat.agentId !== "") await deps.agents.require(caller, chat.agentId, chat.model);
  if (chat.rawKey === undefined) {
    const value = chat.agentId || (await deps.agents.requireDefault(caller));
    return { case: "statelessAgentId", value };
  }
  return { case: "session", value: await resolve(deps, request, chat.rawKey) };
}

async function resolve(deps: Opening, request: TurnRequest, rawKey: string): Promise<SessionRef> {
  const { agentId, options } = request.chat;
  const { expectedGeneration, expectedSessionId } = options;
  const name = { case: "rawKey", value: rawKey } as const;
  const question = { agentId, name, expectedGeneration, expectedSessionId };
  const { session } = await deps.identity.resolveSession(question, callOptions(request));
  if (session?.ref === undefined) {
    throw new LanekeeperError("INTERNAL", "session-identity named no session");
  }
  request.onSession(session.ref);
  return session.ref;
}

async function firstEvent(events: AsyncGenerator<TurnEvent, void>): Promise<SubmitTurnResponse> {
  const { value: event } = await events.next();
  if (event?.case === "accepted") return event.value;
  await events.return();
  throw new LanekeeperError("INTERNAL", "the runner's stream did not begin with `accepted`");
}
