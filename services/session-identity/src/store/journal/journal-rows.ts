import { createHash } from "node:crypto";
import type { JournalDraft } from "../../domain/decision.ts";
import type { Fence } from "../../domain/records.ts";
import type { CurrentFence, Refusal } from "../../domain/refusal.ts";
import { iso } from "../batch/values.ts";

/** Who asked: from the call's metadata, for the journal. */
export interface Asker {
  /** The service that called. */
  readonly source: string;
  readonly principal: string;
  /** The label of the request. */
  readonly requestId: string;
  readonly traceId: string;
}

export interface JournalRow {
  readonly tenant: string;
  readonly create_time: string;
  readonly operation: string;
  readonly accepted: boolean;
  readonly reason: string;
  readonly session_key: string;
  readonly raw_key: string;
  readonly session_id: string;
  readonly generation: string;
  readonly turn_id: string;
  readonly shown: FenceJson | null;
  readonly current: FenceJson | null;
  readonly delivery_id: string;
  readonly source: string;
  readonly principal: string;
  readonly request_id: string;
  readonly trace_id: string;
  readonly rule_set_version: number;
  readonly error_message: string;
  readonly note: string;
  readonly count: number;
  readonly refusal_hash: string | null;
}

export interface FenceJson {
  readonly sessionKey: string;
  readonly sessionId: string;
  readonly generation: string;
  readonly runId: string;
  readonly runEpoch: string;
}

export interface JournalAbout {
  readonly tenant: string;
  readonly sessionKey: string;
  readonly nowMs: number;
  readonly ruleSetVersion: number;
  readonly asker: Asker;
}

export function acceptedRow(about: JournalAbout, draft: JournalDraft): JournalRow {
  return {
    tenant: about.tenant,
    create_time: iso(about.nowMs),
    operation: draft.operation,
    accepted: true,
    reason: draft.reason ?? "",
    session_key: about.sessionKey,
    raw_key: draft.rawKey ?? "",
    session_id: draft.sessionId ?? "",
    generation: String(draft.generation ?? 0n),
    turn_id: draft.turnId ?? "",
    shown: fenceJson(draft.shown),
    current: fenceJson(draft.current),
    delivery_id: draft.deliveryId ?? "",
    source: about.asker.source,
    principal: about.asker.principal,
    request_id: about.asker.requestId,
    trace_id: about.asker.traceId,
    rule_set_version: about.ruleSetVersion,
    error_message: "",
    note: draft.note ?? "",
    count: 1,
    refusal_hash: null,
  };
}

/** Equal refusals share a hash, and so a row: what was asked, shown and answered, and by whom. */
export function refusedRow(about: JournalAbout, draft: JournalDraft, refusal: Refusal): JournalRow {
  const row = {
    ...acceptedRow(about, draft),
    accepted: false,
    reason: refusal.reason,
    error_message: refusal.message,
  };
  const { operation, reason, session_key, session_id, generation, turn_id, delivery_id } = row;
  const same = [operation, reason, session_key, session_id, generation, turn_id, delivery_id];
  const text = JSON.stringify([...same, row.shown, row.source, row.principal]);
  const hash = createHash("sha256").update(text).digest("base64url").slice(0, 22);
  return { ...row, refusal_hash: hash };
}

function fenceJson(fence: Fence | CurrentFence | undefined): FenceJson | null {
  if (fence === undefined) return null;
  return {
    sessionKey: fence.sessionKey,
    sessionId: fence.sessionId,
    runId: fence.runId,
    generation: String(fence.generation),
    runEpoch: String(fence.runEpoch),
  };
}
