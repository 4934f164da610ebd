import type { SubmitTurnRequest } from "@lanekeeper/protocol/lanekeeper/runner/v1/runner_service";
import { type CallContext, notFound, peerName } from "@lanekeeper/rpc";
import type { RunnerContext } from "../context.ts";
import type { AdmissionResult } from "../admission/admission-result.ts";
import { outcomeTurn } from "../nested/child-outcome.ts";
import { readChildTurn } from "../store/nested/child-turns.ts";
import { LIMITS } from "../limits.ts";
import { accept } from "./accept.ts";
import { parseUuid, parseVisible } from "./parse-field.ts";
import { parseMessages } from "./parse-messages.ts";
import { parseFingerprint } from "./parse-submit.ts";

/** Whether a request tells a session of a subagent: that is all that delivery submits. */
export function isChildOutcome(call: CallContext): boolean {
  return peerName(call.peer) === "delivery";
}

/**
 * The reply of a subagent as a turn of the session that sent it, or that it was reset away before it came;
 * joined to the turn that has it as its tool's result, where that waited.
 * @throws NOT_FOUND: no such turn was sent, or it was forgotten.
 */
export async function submitChildOutcome(
  context: RunnerContext,
  request: SubmitTurnRequest,
  call: CallContext,
): Promise<AdmissionResult> {
  const { deps } = context;
  const childTurnId = parseUuid("child_turn_id", request.childTurnId);
  const idempotencyKey = parseVisible(
    "idempotency_key",
    request.idempotencyKey,
    LIMITS.idempotencyKeyChars,
  );
  const fingerprint = parseFingerprint(request.fingerprint);
  const { messages } = request;
  const isWithheld = messages.length === 0;
  const reply = isWithheld ? "withheld" : parseMessages("messages", messages).at(-1);
  const child = await readChildTurn(deps.db, call.tenant, childTurnId);
  if (child === undefined) throw notFound("turn", childTurnId);
  const turn = await outcomeTurn(deps, child, { idempotencyKey, fingerprint, reply });
  return accept(context, turn, false);
}
