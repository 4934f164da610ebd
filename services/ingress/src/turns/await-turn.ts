import type { MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import type { RunnerClient } from "@lanekeeper/client";
import { type CallOptions, Code, RpcError } from "@lanekeeper/rpc";
import type {
  AwaitTurnResponse,
  SubmitTurnRequestSchema,
} from "@lanekeeper/protocol/lanekeeper/runner/v1/runner_service";
import type { IngressLimits } from "../limits.ts";
import type { PlainWait } from "../metrics.ts";
import { isBroken } from "./attach-turn.ts";

/** What waiting needs. */
export interface Awaiting {
  readonly runner: Pick<RunnerClient, "awaitTurn">;
  readonly limits: Pick<IngressLimits, "attachAttemptMs" | "awaitMs" | "plainWaitMs">;
}

export interface AwaitCall extends Omit<CallOptions, "timeoutMs"> {
  /** The caller has left. */
  readonly signal: AbortSignal;
}

/** Why there is no answer. */
export type Unanswered = Extract<PlainWait, "broken" | "older" | "left">;

/**
 * Submits a turn and waits for its end for a moment. A word: nobody knows what became of that, or nobody
 * waits any more; whoever submits it again, and attaches, joins it by its idempotency key.
 * @throws what the runner refuses with
 */
export async function awaitTurn(
  { runner, limits }: Awaiting,
  submit: MessageInitShape<typeof SubmitTurnRequestSchema>,
  call: AwaitCall,
): Promise<AwaitTurnResponse | Unanswered> {
  const waitMs = Math.min(limits.awaitMs, limits.plainWaitMs);
  const timeoutMs = limits.attachAttemptMs + waitMs;
  try {
    const request = { submit, wait: durationFromMs(waitMs) };
    return await runner.awaitTurn(request, { timeoutMs, ...call, retry: false });
  } catch (error) {
    if (call.signal.aborted) return "left";
    if (isBroken(error)) return "broken";
    if (isOlder(error)) return "older";
    throw error;
  }
}

/** A runner of the release before knows no such call. */
function isOlder(error: unknown): boolean {
  return error instanceof RpcError && error.code === Code.UNIMPLEMENTED;
}
