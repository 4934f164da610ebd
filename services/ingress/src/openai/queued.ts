import { durationMs } from "@bufbuild/protobuf/wkt";
import type { TurnQueued } from "@lanekeeper/protocol/lanekeeper/runner/v1/runner_service";

/** What a waiting caller is told that asked to be. */
export function queuedJson(queued: TurnQueued): object {
  const { position, holderRunId, holderHeartbeatAge: age, isBusyHint } = queued;
  return {
    position,
    holder_run_id: holderRunId || null,
    holder_heartbeat_age_ms: age === undefined ? null : Math.round(durationMs(age)),
    /** True once: the agent's `busy_hint_after` has passed. */
    busy_hint: isBusyHint,
  };
}
