import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  type ErasureSchema,
  ErasureState,
} from "@lanekeeper/protocol/lanekeeper/identity/v1/erasure";
import { isKeyWithin, type KeyBounds } from "@lanekeeper/session-key";
import { isSettledAt } from "../../domain/erasure.ts";
import { LIMITS } from "../../limits.ts";
import type { StandingErasure } from "../../store/erasures/erasure-row.ts";

/** With the keys that lie within the bounds: tasks may have been given to agents that a credential does not know of. */
export function showErasure(
  { erasure, returned, nowMs }: StandingErasure,
  bounds?: KeyBounds,
): MessageInitShape<typeof ErasureSchema> {
  const { erasureId, tenant, keys, principal, note, perhapsSentCount, createMs } = erasure;
  const { runnerMs, deliveryMs, endMs } = erasure;
  return {
    erasureId,
    tenant,
    returned,
    principal,
    note,
    perhapsSentCount,
    state: endMs === undefined ? ErasureState.REMOVING : ErasureState.ERASED,
    keys: keys.filter(({ sessionKey }) => bounds === undefined || isKeyWithin(sessionKey, bounds)),
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
