import { create } from "@bufbuild/protobuf";
import { TurnClass } from "@lanekeeper/protocol/lanekeeper/identity/v1/lifecycle";
import type { SessionRef } from "@lanekeeper/protocol/lanekeeper/identity/v1/session";
import type { SubmitTurnRequest } from "@lanekeeper/protocol/lanekeeper/runner/v1/runner_service";
import {
  OnConflict,
  type Origin,
  OriginSchema,
  Overflow,
} from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { type CallContext, invalid, permissionDenied } from "@lanekeeper/rpc";
import { traceIdOf } from "@lanekeeper/service";
import { agentOf, parseAgentId } from "@lanekeeper/session-key";
import { LIMITS } from "../limits.ts";
import type { NewTurn } from "../store/admission/new-turn.ts";
import { requireAgent, requireUsable } from "./bounds.ts";
import {
  parseDuration,
  parseEnum,
  parseOptionalEnum,
  parseSessionKey,
  parseSpan,
  parseText,
  parseUuid,
  parseVisible,
  refuseLarger,
} from "./parse-field.ts";
import { parseMessages } from "./parse-messages.ts";

/** A request to accept a turn, checked. The agent's defaults are not yet applied. */
export type ParsedSubmit = Omit<NewTurn, "turnId" | "onConflict" | "dropsOldest"> & {
  /** Undefined, here and below: the agent's default. */
  readonly onConflict: number | undefined;
  readonly overflow?: number | undefined;
};

/**
 * @throws INVALID_REQUEST naming the field, MALFORMED_KEY, KEY_TOO_LONG, PAYLOAD_TOO_LARGE, PERMISSION_DENIED,
 * RESERVED_NAMESPACE
 */
export function parseSubmit(request: SubmitTurnRequest, call: CallContext): ParsedSubmit {
  if (request.childTurnId !== "") throw permissionDenied("child_turn_id is delivery's to give");
  const { session, agentId } = parseTarget(request);
  requireAgent(agentId, call);
  if (session !== undefined) requireUsable(session.sessionKey, call);
  return {
    tenant: call.tenant,
    principal: call.principal,
    agentId,
    session,
    requiredGeneration: request.requireGeneration ? (session?.generation ?? 0n) : 0n,
    turnClass: parseEnum("turn_class", request.turnClass, TurnClass),
    onConflict: parseOptionalEnum("on_conflict", request.onConflict, OnConflict),
    idempotencyKey: parseVisible(
      "idempotency_key",
      request.idempotencyKey,
      LIMITS.idempotencyKeyChars,
    ),
    fingerprint: parseFingerprint(request.fingerprint),
    keyIsGenerated: request.keyIsGenerated,
    clientRetryCount: Math.max(0, request.clientRetryCount),
    firstTryAgeMs: parseDuration("first_try_age", request.firstTryAge),
    requestId: call.requestId,
    traceId: traceIdOf(call.traceparent) ?? "",
    traceparent: call.traceparent ?? "",
    origin: parseOrigin(request.origin),
    routeId: parseRoute(request.routeId, session !== undefined),
    maxWaitMs: parseDuration("max_wait", request.maxWait),
    parameters: parseParameters(request.parameters),
    messages: parseMessages("messages", request.messages),
    parentTurnId: undefined,
    callChain: [],
    debounceMs: parseSpan("debounce", request.debounce, LIMITS.maxDebounceMs),
    overflow: parseOptionalEnum("overflow", request.overflow, Overflow),
  };
}

interface Target {
  readonly session: ReturnType<typeof parseSessionRef> | undefined;
  readonly agentId: string;
}

function parseTarget({ target }: SubmitTurnRequest): Target {
  switch (target.case) {
    case "session": {
      const session = parseSessionRef("session", target.value);
      return { session, agentId: agentOf(session.sessionKey) };
    }
    case "statelessAgentId": {
      const agentId = parseAgentId(target.value);
      if (agentId === undefined) throw invalid("stateless_agent_id", "is no agent id");
      return { session: undefined, agentId };
    }
    case undefined:
      throw invalid("session", "session or stateless_agent_id is required");
  }
}

export function parseSessionRef(field: string, ref: SessionRef) {
  const sessionKey = parseSessionKey(`${field}.session_key`, ref.sessionKey);
  const sessionId = parseUuid(`${field}.session_id`, ref.sessionId);
  if (ref.generation < 1n) throw invalid(`${field}.generation`, "is below 1");
  return { sessionKey, sessionId, generation: ref.generation };
}

export function parseFingerprint(bytes: Uint8Array): Uint8Array {
  if (bytes.length === 0) throw invalid("fingerprint", "is required");
  if (bytes.length > LIMITS.fingerprintBytes) {
    throw invalid("fingerprint", `has ${bytes.length} bytes of at most ${LIMITS.fingerprintBytes}`);
  }
  return bytes;
}

function parseRoute(routeId: string, hasSession: boolean): string {
  if (routeId === "") return "";
  if (!hasSession) throw invalid("route_id", "a turn without a session has no route");
  return parseVisible("route_id", routeId, LIMITS.routeIdBytes);
}

function parseOrigin(origin: Origin | undefined): Origin {
  if (origin === undefined) return create(OriginSchema);
  parseText("origin.source", origin.source, LIMITS.sourceBytes);
  parseText("origin.raw_key", origin.rawKey, LIMITS.rawKeyBytes);
  parseText("origin.sender_id", origin.senderId, LIMITS.senderIdBytes);
  parseText("origin.external_message_id", origin.externalMessageId, LIMITS.externalIdBytes);
  parseText("origin.group_id", origin.groupId, LIMITS.externalIdBytes);
  parseSpan("origin.group_quiet", origin.groupQuiet, LIMITS.maxGroupQuietMs);
  return origin;
}

function parseParameters(parameters: SubmitTurnRequest["parameters"]): string {
  const json = JSON.stringify(parameters ?? {});
  refuseLarger("parameters", Buffer.byteLength(json), LIMITS.parametersBytes);
  return json;
}
