import { StaleFenceSchema } from "@lanekeeper/protocol/lanekeeper/identity/v1/session";
import { LanekeeperError } from "@lanekeeper/rpc";
import type { Refused } from "./calls.ts";
import type { Judgement } from "./recorder.ts";

/** Reasons after which the call may have taken effect: its commit, or its answer, may have been lost. */
const UNKNOWN = new Set(["STORE_UNAVAILABLE", "DRAINING", "INTERNAL", "WAIT_EXPIRED"]);

/** A refusal as the HTTP surface tells it. */
export class RefusedRequest extends Error {
  override readonly name = "RefusedRequest";
  readonly refused: Refused;

  constructor(refused: Refused, message: string) {
    super(message);
    this.refused = refused;
  }
}

/** A refusal with a reason is definite; a lost connection or a deadline is not. */
export function judgeError(error: unknown): Judgement {
  const refused = refusalOf(error);
  if (refused === undefined) return String(error);
  // A turn whose runs all died has failed; that it was accepted, and how it ended, the final reads tell.
  const isTurnsOwn = refused.reason === "INTERNAL" && (refused.metadata["turn_id"] ?? "") !== "";
  if (!UNKNOWN.has(refused.reason) || isTurnsOwn) return refused;
  return `${refused.reason}: ${String(error)}`;
}

function refusalOf(error: unknown): Refused | undefined {
  if (error instanceof RefusedRequest) return error.refused;
  if (!(error instanceof LanekeeperError)) return undefined;
  const { reason, metadata } = error;
  const current = error.detail(StaleFenceSchema)?.current;
  if (current === undefined) return { reason, metadata };
  const { session, runId: run, runEpoch } = current;
  const generation = Number(session?.generation ?? 0n);
  return { reason, metadata, current: { generation, run, epoch: Number(runEpoch) } };
}
