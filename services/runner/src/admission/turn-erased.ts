import { LanekeeperError } from "@lanekeeper/rpc";

/** A request is known, and the turn that it was accepted as is not: it went with its conversation. */
export function turnErased(turnId: string): LanekeeperError {
  const metadata = { resource_type: "turn", resource_name: turnId, turn_id: turnId };
  const message = `the request was accepted as turn ${turnId}, which was erased with its conversation`;
  return new LanekeeperError("NOT_FOUND", message, { metadata });
}
