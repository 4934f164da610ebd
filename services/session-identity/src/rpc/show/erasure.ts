import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  type ErasureSchema,
  ErasureState,
} from "@lanekeeper/protocol/lanekeeper/identity/v1/erasure";
import { isSettledAt } from "../../domain/erasure.ts";
import { LIMITS } from "../../limits.ts";
import type { StandingErasure } from "../../store/erasures/erasure-row.ts";

export function showErasure({
  erasure,
  returned,
  nowMs,
}: StandingErasure): MessageInitShape<typeof ErasureSchema> {
  const { erasureId, tenant, keys, principal, note, createMs } = erasure;
  const { runnerMs, deliveryMs, endMs } = erasure;
  return {
    ...{ erasureId, tenant, returned, principal, note },
    state: endMs === undefined ? ErasureState.REMOVING : ErasureState.ERASED,
    keys: [...keys],
    settled: isSettledAt(erasure, nowMs),
    createTime: timestampFromMs(createMs),
    ...(runnerMs === undefined ? {} : { runnerTime: timestampFromMs(runnerMs) }),
    ...(deliveryMs === undefined ? {} : { deliveryTime: timestampFromMs(deliveryMs) }),
    ...(endMs === undefined ? {} : { endTime: timestampFromMs(endMs) }),
  };
}

/** As many of the first as an answer has room for; one at least, which always fits. */
export function thatFit(erasures: readonly StandingErasure[]): readonly StandingErasure[] {
  let bytes = 0;
  const from = erasures.findIndex(({ erasure }, index) => {
    for (const { sessionKey } of erasure.keys) bytes += KEY_BYTES + Buffer.byteLength(sessionKey);
    return index > 0 && bytes > LIMITS.maxErasuresBytes;
  });
  return from < 0 ? erasures : erasures.slice(0, from);
}

/** Of a key in a message, beside its text. */
const KEY_BYTES = 20;
