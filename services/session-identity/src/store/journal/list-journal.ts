import { keyIsWithin } from "@lanekeeper/postgres";
import { isBound } from "@lanekeeper/session-key";
import type { Query } from "../db.ts";
import type { FenceJson } from "./journal-rows.ts";

/** What to look for; what is empty is not asked for. */
export interface JournalWanted {
  readonly tenant: string;
  readonly sessionKey: string;
  readonly requestId: string;
  readonly traceId: string;
  readonly turnId: string;
  readonly refusedOnly: boolean;
  /** Empty: any agent. */
  readonly agents: readonly string[];
  /** Every key begins with one of these; empty: any. */
  readonly keyPrefixes: readonly string[];
  /** Also of sessions that nobody outside is told of. */
  readonly withInternal: boolean;
  /** Entries before this one; undefined: from the newest. */
  readonly before: bigint | undefined;
  readonly limit: number;
}

export interface JournalEntryRow {
  readonly entry_id: bigint;
  readonly create_time: Date;
  readonly operation: string;
  readonly accepted: boolean;
  readonly reason: string;
  readonly session_key: string;
  readonly raw_key: string;
  readonly session_id: string;
  readonly generation: bigint;
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
  readonly last_time: Date;
}

/** Entries newest first. Built from the filters that are set, so that the matching index is used. */
export async function listJournal(
  query: Query,
  wanted: JournalWanted,
): Promise<readonly JournalEntryRow[]> {
  const params: unknown[] = [];
  const bind = (value: unknown) => `$${params.push(value)}`;
  const filters = [
    `tenant = ${bind(wanted.tenant)}`,
    ...textFilters(wanted).map(([column, text]) => `${column} = ${bind(text)}`),
    ...(wanted.refusedOnly ? ["not accepted"] : []),
    ...(wanted.before === undefined ? [] : [`entry_id < ${bind(wanted.before)}`]),
    ...(isBound(wanted)
      ? [keyIsWithin("session_key", bind(wanted.agents), bind(wanted.keyPrefixes))]
      : []),
    ...(wanted.withInternal ? [] : [NOT_INTERNAL]),
  ];
  const text = `select * from journal where ${filters.join(" and ")} order by entry_id desc limit ${bind(wanted.limit)}`;
  return (await query.query<JournalEntryRow>(text, params)).rows;
}

const NOT_INTERNAL = `not exists (select from session_keys k
  where k.tenant = journal.tenant and k.session_key = journal.session_key and k.internal)`;

/** An empty text is also what keeps these indexes small, so equality alone picks them. */
function textFilters({
  sessionKey,
  requestId,
  traceId,
  turnId,
}: JournalWanted): [string, string][] {
  const all: [string, string][] = [
    ["session_key", sessionKey],
    ["request_id", requestId],
    ["trace_id", traceId],
    ["turn_id", turnId],
  ];
  return all.filter(([, text]) => text !== "");
}
