import { keyIsWithin, type Queryable } from "@lanekeeper/postgres";
import type { KeyBounds } from "@lanekeeper/session-key";
import type { RequestEntry } from "./entry.ts";

/** A stored entry, and its place in the order of storing. */
export interface StoredRequest extends RequestEntry {
  readonly entryId: bigint;
}

/** What is looked for: all that is given must match. */
export interface RequestQuery {
  readonly tenant: string;
  /** Empty: any. */
  readonly requestId: string;
  readonly traceId: string;
  readonly turnId: string;
  /** Only entries before this one; undefined: from the newest. */
  readonly beforeEntryId: bigint | undefined;
  /** Those of the principal itself, and those whose session's key it may reach; undefined: all. */
  readonly bounds?: (KeyBounds & { readonly principal: string }) | undefined;
  readonly limit: number;
}

/** Where the request log is kept. */
export interface RequestStore {
  insert(entries: readonly RequestEntry[]): Promise<void>;
  /** Newest first. */
  list(query: RequestQuery): Promise<StoredRequest[]>;
  /** Deletes at most `limit` entries that ended before; tells how many. */
  deleteBefore(endTime: Date, limit: number): Promise<number>;
}

const COLUMNS = [
  ["tenant", "text", "tenant"],
  ["request_id", "text", "requestId"],
  ["trace_id", "text", "traceId"],
  ["principal", "text", "principal"],
  ["route", "text", "route"],
  ["raw_key", "text", "rawKey"],
  ["session_key", "text", "sessionKey"],
  ["turn_id", "text", "turnId"],
  ["disposition", "text", "disposition"],
  ["status", "smallint", "status"],
  ["reason", "text", "reason"],
  ["error_message", "text", "errorMessage"],
  ["create_time", "timestamptz", "createTime"],
  ["end_time", "timestamptz", "endTime"],
] as const satisfies readonly (readonly [string, string, keyof RequestEntry])[];

/** One array per column: a batch of any size is one statement of one text. */
const INSERT = {
  name: "insert_requests",
  text: `
    INSERT INTO requests (${COLUMNS.map(([column]) => column).join(", ")})
    SELECT * FROM unnest(${COLUMNS.map(([, type], index) => `$${index + 1}::${type}[]`).join(", ")})`,
};

const SELECT = `
  SELECT entry_id AS "entryId", ${COLUMNS.map(([column, , name]) => `${column} AS "${name}"`).join(", ")}
  FROM requests`;

const DELETE = `
  DELETE FROM requests WHERE entry_id IN (
    SELECT entry_id FROM requests WHERE end_time < $1 ORDER BY end_time LIMIT $2)`;

/** The request log in Postgres. */
export function requestStore(db: Pick<Queryable<unknown>, "query">): RequestStore {
  return {
    async insert(entries) {
      const values = COLUMNS.map(([, , name]) => entries.map((entry) => entry[name]));
      await db.query(INSERT, values);
    },
    async list(query) {
      const { text, values } = listStatement(query);
      return (await db.query<StoredRequest>(text, values)).rows;
    },
    async deleteBefore(endTime, limit) {
      return (await db.query(DELETE, [endTime, limit])).rowCount;
    },
  };
}

function listStatement(query: RequestQuery): { text: string; values: unknown[] } {
  const values: unknown[] = [query.tenant];
  const conditions = ["tenant = $1"];
  const where = (column: string, operator: string, value: unknown): void => {
    conditions.push(`${column} ${operator} $${values.push(value)}`);
  };
  if (query.requestId !== "") where("request_id", "=", query.requestId);
  // The partial indexes are usable only beside their own condition.
  if (query.traceId !== "") where("trace_id <> '' AND trace_id", "=", query.traceId);
  if (query.turnId !== "") where("turn_id <> '' AND turn_id", "=", query.turnId);
  if (query.beforeEntryId !== undefined) where("entry_id", "<", query.beforeEntryId);
  if (query.bounds !== undefined) {
    const { principal, agents, keyPrefixes } = query.bounds;
    const [own, few, prefixes] = [principal, agents, keyPrefixes].map((v) => `$${values.push(v)}`);
    conditions.push(
      `(principal = ${own} OR ${keyIsWithin("session_key", `${few}`, `${prefixes}`)})`,
    );
  }
  const limit = `LIMIT $${values.push(query.limit)}`;
  const text = `${SELECT} WHERE ${conditions.join(" AND ")} ORDER BY entry_id DESC ${limit}`;
  return { text, values };
}
