import { LanekeeperError, notFound } from "@lanekeeper/rpc";
import { LIMITS } from "../limits.ts";
import { turnErased } from "../admission/turn-erased.ts";
import { findRequest } from "../store/admission/find-request.ts";
import { readTurn } from "../store/attaching/read-turn.ts";
import type { Handler } from "./handler.ts";
import { parseFingerprint } from "./parse-submit.ts";
import { parseVisible } from "./parse-field.ts";
import { showStored } from "./show-turn.ts";

/**
 * @throws NOT_FOUND where the key was never used (of a `request`), or its turn was erased (of a `turn`);
 * IDEMPOTENCY_MISMATCH where it was used with other content.
 */
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
  const turn = await readTurn(context.deps.db, call.tenant, known.turnId);
  if (turn === undefined) throw turnErased(known.turnId);
  return { turn: await showStored(context, turn) };
};
