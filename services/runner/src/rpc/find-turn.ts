import { LanekeeperError, notFound } from "@lanekeeper/rpc";
import { LIMITS } from "../limits.ts";
import { findRequest } from "../store/admission/find-request.ts";
import type { Handler } from "./handler.ts";
import { parseFingerprint } from "./parse-submit.ts";
import { parseVisible } from "./parse-field.ts";
import { showTurn } from "./show-turn.ts";

/** @throws NOT_FOUND where the key was never used, IDEMPOTENCY_MISMATCH where with other content. */
export const findTurn: Handler<"findTurn"> = (context) => async (request, call) => {
  const key = parseVisible("idempotency_key", request.idempotencyKey, LIMITS.idempotencyKeyChars);
  const fingerprint = parseFingerprint(request.fingerprint);
  const known = await findRequest(context.deps.db, call.tenant, call.principal, key);
  if (known === undefined) throw notFound("request", key);
  if (!Buffer.from(known.fingerprint).equals(fingerprint)) {
    throw new LanekeeperError(
      "IDEMPOTENCY_MISMATCH",
      "the idempotency key was used with other content",
      {
        metadata: { other_turn_id: known.turnId },
      },
    );
  }
  return { turn: await showTurn(context, call.tenant, known.turnId) };
};
