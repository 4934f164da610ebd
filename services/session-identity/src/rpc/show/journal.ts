import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import {
  Decision,
  type JournalEntrySchema,
} from "@lanekeeper/protocol/lanekeeper/identity/v1/journal";
import { isKeyWithin, type KeyBounds } from "@lanekeeper/session-key";
import type { FenceJson } from "../../store/journal/journal-rows.ts";
import type { JournalEntryRow } from "../../store/journal/list-journal.ts";

/** What is current is told where the credential may reach it: a merge names the survivor there. */
export function showEntry(
  row: JournalEntryRow,
  bounds: KeyBounds,
): MessageInitShape<typeof JournalEntrySchema> {
  const { operation, reason, generation, source, principal, count } = row;
  return {
    entryId: row.entry_id,
    createTime: timestampFromDate(row.create_time),
    operation,
    reason,
    generation,
    source,
    principal,
    count,
    decision: row.accepted ? Decision.ACCEPTED : Decision.REFUSED,
    sessionKey: row.session_key,
    rawKey: row.raw_key,
    sessionId: row.session_id,
    turnId: row.turn_id,
    ...(row.shown === null ? {} : { shown: fenceOf(row.shown) }),
    ...(isTold(row.current, bounds) ? { current: fenceOf(row.current) } : {}),
    deliveryId: row.delivery_id,
    requestId: row.request_id,
    traceId: row.trace_id,
    ruleSetVersion: row.rule_set_version,
    errorMessage: row.error_message,
    note: row.note,
    lastTime: timestampFromDate(row.last_time),
  };
}

function isTold(current: FenceJson | null, bounds: KeyBounds): current is FenceJson {
  return current !== null && isKeyWithin(current.sessionKey, bounds);
}

function fenceOf({ sessionKey, sessionId, generation, runId, runEpoch }: FenceJson) {
  return {
    session: { sessionKey, sessionId, generation: BigInt(generation) },
    runId,
    runEpoch: BigInt(runEpoch),
  };
}
