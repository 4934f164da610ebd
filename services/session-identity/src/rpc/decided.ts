import { type CallContext, LanekeeperError } from "@lanekeeper/rpc";
import { type TurnFields, turnLog } from "@lanekeeper/service";
import type { Peer } from "@lanekeeper/session-key";
import type { IdentityContext } from "../context.ts";
import type { Fence, ReplyFence } from "../domain/records.ts";
import { isRefusal, type Refusal } from "../domain/refusal.ts";
import { withinBounds } from "../names/leads.ts";
import { refusalError } from "./show/refusal.ts";

/** What a decision was about, as the log has it. */
export type DecisionFields = Pick<
  TurnFields,
  | "channel"
  | "account"
  | "raw_key"
  | "peer"
  | "session_key"
  | "session_id"
  | "generation"
  | "turn_id"
  | "run_id"
>;

/** What a log line tells of the right that a run or a reply shows. */
export function fenceFields(shown: Fence | ReplyFence): DecisionFields {
  const { sessionKey, sessionId, generation } = shown;
  return "runId" in shown
    ? { session_key: sessionKey, session_id: sessionId, generation, run_id: shown.runId }
    : { session_key: sessionKey, session_id: sessionId, generation, turn_id: shown.turnId };
}

/** What a log line tells of a typed peer. */
export function peerFields(peer: Peer): DecisionFields {
  const { channel, account } = peer;
  return { channel, account, peer };
}

/** The same for work that throws its refusals, such as the look-up of a name. */
export async function deciding<Answer>(
  { log, metrics }: IdentityContext,
  call: CallContext,
  operation: string,
  fieldsOf: () => DecisionFields,
  work: Promise<Answer>,
): Promise<Answer> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof LanekeeperError) {
      const { reason, message: because } = error;
      metrics.refused(operation, reason);
      const line = turnLog(log, { ...fieldsOfCall(call), ...fieldsOf() });
      line.info({ operation, reason, because }, "refused");
    }
    throw error;
  }
}

/** Operations that people look for in a log even when all went well. */
const NOTABLE = new Set([
  "rotate",
  "merge",
  "erase",
  "register_alias",
  "remove_alias",
  "link_peer",
]);

/**
 * One line for each decision: refusals and what operators do at info, the rest at debug. Gives the
 * answer, or throws the refusal. Messages of refusals repeat no key, which metadata may.
 */
export function decided<Answer>(
  { log, metrics }: IdentityContext,
  call: CallContext,
  operation: string,
  fields: DecisionFields,
  result: Answer | Refusal,
): Answer {
  const refused = isRefusal(result);
  const level = refused || NOTABLE.has(operation) ? "info" : "debug";
  // A child costs more than the decision's other work, so none is made for a line that nobody gets.
  if (log.isLevelEnabled(level)) {
    const line = turnLog(log, { ...fieldsOfCall(call), ...fields });
    if (refused)
      line[level]({ operation, reason: result.reason, because: result.message }, "refused");
    else line[level]({ operation }, "accepted");
  }
  if (!refused) return result;
  metrics.refused(operation, result.reason);
  throw refusalError(withinBounds(result, call));
}

function fieldsOfCall({ tenant, principal, requestId, traceparent }: CallContext) {
  return { tenant, principal, request_id: requestId, traceparent };
}
