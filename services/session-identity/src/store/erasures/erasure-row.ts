import type { CanonicalKey } from "@lanekeeper/session-key";
import { type ErasedKey, type Erasure, hasReturned } from "../../domain/erasure.ts";
import { type Moment, ms } from "../batch/values.ts";
import { type KeyRow, stateOf } from "../keys/key-row.ts";

/** Int8 as text, as JSON has it. */
export interface ErasedKeyJson {
  readonly sessionKey: string;
  readonly throughGeneration: string;
}

export interface ErasureRow {
  readonly tenant: string;
  readonly erasure_id: string;
  readonly keys: readonly ErasedKeyJson[];
  readonly principal: string;
  readonly note: string;
  readonly perhaps_sent_count: number;
  readonly create_time: Moment;
  readonly runner_time: Moment | null;
  readonly delivery_time: Moment | null;
  readonly end_time: Moment | null;
  readonly returned: boolean | null;
}

/** Also the row of the conversation's key, while it is under way and there is one. */
export interface StandingErasureRow extends ErasureRow {
  readonly key: KeyRow | null;
  readonly now_ms: number;
}

/** An erasure, whether somebody came back to it, and the time that it is so. */
export interface StandingErasure {
  readonly erasure: Erasure;
  readonly returned: boolean;
  readonly nowMs: number;
}

export function erasureOf(row: ErasureRow): Erasure {
  return {
    tenant: row.tenant,
    erasureId: row.erasure_id,
    keys: row.keys.map(({ sessionKey, throughGeneration }) => ({
      sessionKey: sessionKey as CanonicalKey,
      throughGeneration: BigInt(throughGeneration),
    })),
    principal: row.principal,
    note: row.note,
    perhapsSentCount: row.perhaps_sent_count,
    createMs: ms(row.create_time),
    runnerMs: row.runner_time === null ? undefined : ms(row.runner_time),
    deliveryMs: row.delivery_time === null ? undefined : ms(row.delivery_time),
    endMs: row.end_time === null ? undefined : ms(row.end_time),
    returned: row.returned ?? undefined,
  };
}

export function standingOf(row: StandingErasureRow): StandingErasure {
  const erasure = erasureOf(row);
  const state = row.key === null ? undefined : stateOf(row.key);
  const returned = erasure.returned ?? hasReturned(erasure, state);
  return { erasure, returned, nowMs: row.now_ms };
}

export function keysJson(keys: readonly ErasedKey[]): string {
  const rows: readonly ErasedKeyJson[] = keys.map(({ sessionKey, throughGeneration }) => ({
    sessionKey,
    throughGeneration: String(throughGeneration),
  }));
  return JSON.stringify(rows);
}
