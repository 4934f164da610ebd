import type { RunnerClient } from "@lanekeeper/client";
import type { CallOptions } from "@lanekeeper/rpc";
import { type Clock, inTrace, type Log } from "@lanekeeper/service";

interface Reporting {
  readonly runner: Pick<RunnerClient, "reportCutOff">;
  readonly clock: Clock;
  readonly log: Log;
}

/** Retries reach over a restart of the runner, about 6 s. */
const RETRY = { maxAttempts: 10 };

/** So long a caller is held back who is about to be told to ask again; the report goes on. */
const HOLD_BACK_MS = 1_000;

/**
 * Tells the runner that a turn's caller was cut off, so that its retry joins the turn instead of being
 * a second one. Resolves once it is recorded, or cannot be soon.
 */
export async function reportCutOff(
  { runner, clock, log }: Reporting,
  turnId: string,
  call: CallOptions,
): Promise<void> {
  const reported = runner
    .reportCutOff({ turnId }, { ...call, retry: RETRY })
    .catch((err: unknown) =>
      inTrace(log, call.within?.traceparent).warn(
        { err, turn_id: turnId },
        "that a caller was cut off is not recorded",
      ),
    );
  const late = new AbortController();
  const held = clock.sleep(HOLD_BACK_MS, late.signal).catch(() => undefined);
  await Promise.race([reported, held]);
  late.abort();
}
