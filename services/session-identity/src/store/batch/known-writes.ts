import type { StandingKey } from "../../domain/key-state.ts";
import type { RunRecord } from "../../domain/records.ts";
import type { Query } from "../db.ts";
import type { JournalRow } from "../journal/journal-rows.ts";
import { type KeyRow, rowOf } from "../keys/key-row.ts";
import { runRow } from "./record-rows.ts";
import { type KnownPart, unchangedStatement } from "./write-unchanged-sql.ts";

/** A key as its writer knows it. */
export interface LastSeen {
  readonly tenant: string;
  readonly sessionKey: string;
  /** The transaction that wrote the row. */
  readonly xid: string;
  readonly revision: bigint;
  /** Of the tenant's policies that were decided by; undefined: none were. */
  readonly policyVersion: bigint | undefined;
}

/** When it was decided, by the database's clock, and on which server. */
export interface DecidedAt {
  readonly nowMs: number;
  readonly postmasterStartMs: number;
  /** How far the database's clock may be from `nowMs`. */
  readonly toleranceMs: number;
}

/** A key that was written. */
export interface Written {
  /** Its place. */
  readonly place: number;
  readonly xid: string;
  readonly now_ms: number;
}

/**
 * What runs change that begin or end, each under its key's place, from 1 on: written for those keys that
 * stand as they were last seen.
 */
export class KnownWrites {
  readonly #rows: Record<KnownPart, object[]> = {
    keys: [],
    changes: [],
    newRuns: [],
    runs: [],
    journal: [],
  };

  /** Watchers are told of it, unless it is internal, which is shown to none. */
  key(place: number, state: StandingKey): void {
    const row = rowOf(state);
    this.#rows.keys.push(changedBy(place, row));
    if (state.internal) return;
    const { tenant, session_key, agent_id } = row;
    this.#rows.changes.push({ place, tenant, session_key, agent_id, state: row });
  }

  newRun(place: number, tenant: string, run: RunRecord): void {
    this.#rows.newRuns.push({ place, ...runRow(tenant, run) });
  }

  /** A run that ended. */
  run(place: number, tenant: string, run: RunRecord): void {
    const { run_id, state, ending } = runRow(tenant, run);
    this.#rows.runs.push({ place, tenant, run_id, state, ending });
  }

  journal(place: number, row: JournalRow): void {
    this.#rows.journal.push({ place, ...row });
  }

  /** Whether watchers have to look once this is written. */
  get tells(): boolean {
    return this.#rows.changes.length > 0;
  }

  /** Writes it, once. `seen`: the keys, in the order of their places. Gives those that it was written for. */
  async flush(query: Query, seen: readonly LastSeen[], at: DecidedAt): Promise<readonly Written[]> {
    const rows = this.#rows;
    const { name, text, parts } = unchangedStatement((part) => rows[part].length > 0);
    const params = [
      seen.map(({ tenant }) => tenant),
      seen.map(({ sessionKey }) => sessionKey),
      seen.map(({ xid }) => xid),
      seen.map(({ policyVersion }) => policyVersion ?? null),
      ...[at.postmasterStartMs, at.nowMs, at.toleranceMs],
      seen.map(({ revision }) => revision),
      ...parts.map((part) => JSON.stringify(rows[part])),
    ];
    return (await query.query<Written>({ name, text }, params)).rows;
  }
}

/** The columns that a run changes by its begin or end. */
function changedBy(place: number, row: KeyRow) {
  return {
    place,
    tenant: row.tenant,
    session_key: row.session_key,
    revision: row.revision,
    run_epoch: row.run_epoch,
    person_time: row.person_time,
    used: row.used,
    last_run: row.last_run,
    active_run_id: row.active_run_id,
    active_turn_id: row.active_turn_id,
    active_turn_class: row.active_turn_class,
    active_begin_generation: row.active_begin_generation,
    active_last_event_seq: row.active_last_event_seq,
    active_lease_ms: row.active_lease_ms,
    active_lease_expire_time: row.active_lease_expire_time,
    active_start_time: row.active_start_time,
    active_heartbeat_time: row.active_heartbeat_time,
    active_model: row.active_model,
  };
}
