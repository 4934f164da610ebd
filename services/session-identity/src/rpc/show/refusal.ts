import { durationFromMs } from "@bufbuild/protobuf/wkt";
import {
  SessionBusySchema,
  StaleFenceSchema,
} from "@lanekeeper/protocol/lanekeeper/identity/v1/session";
import { errorDetail, LanekeeperError } from "@lanekeeper/rpc";
import { isRefusal, type Refusal } from "../../domain/refusal.ts";
import { showActiveRun, showFence, showRotation } from "./session.ts";

/** A decision's refusal as the error that the caller gets, with its typed detail. */
export function refusalError(refusal: Refusal): LanekeeperError {
  const { reason, message, metadata, retryAfterMs } = refusal;
  return new LanekeeperError(reason, message, {
    metadata,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    details: [...staleDetail(refusal), ...busyDetail(refusal)],
  });
}

function staleDetail({ stale }: Refusal) {
  if (stale === undefined) return [];
  const cause = stale.cause === undefined ? {} : { cause: showRotation(stale.cause) };
  return [errorDetail(StaleFenceSchema, { current: showFence(stale.current), ...cause })];
}

/** The depth of the lane is the runner's to fill in. */
function busyDetail({ busy }: Refusal) {
  if (busy === undefined) return [];
  const heartbeatAge = durationFromMs(Math.round(busy.heartbeatAgeMs));
  return [errorDetail(SessionBusySchema, { holder: showActiveRun(busy.holder), heartbeatAge })];
}

/** The answer, or throws the refusal. */
export function granted<Answer>(result: Answer | Refusal): Answer {
  if (isRefusal(result)) throw refusalError(result);
  return result;
}
