import { keyIsWithin } from "@lanekeeper/postgres";
import { isBound } from "@lanekeeper/session-key";
import { DELIVERY_COLUMNS, type DeliveryRow } from "./delivery-row.ts";
import { rows, type Sql } from "./sql.ts";

/** Only those to which all that is set applies. */
export interface DeliveryFilter {
  readonly tenant: string;
  readonly sessionKey?: string | undefined;
  readonly turnId?: string | undefined;
  readonly routeId?: string | undefined;
  readonly state?: number | undefined;
  readonly traceId?: string | undefined;
  /** FAILED or UNKNOWN, and not dismissed. */
  readonly deadLettersOnly: boolean;
  /** Agents and beginnings of keys that the caller is bound to; empty: none. */
  readonly agents: readonly string[];
  readonly keyPrefixes: readonly string[];
  /** The last id of the page before. */
  readonly beforeId?: string | undefined;
}

/** Newest first, by id: a UUIDv7 begins with the time. */
export function listDeliveries(
  sql: Sql,
  filter: DeliveryFilter,
  limit: number,
): Promise<DeliveryRow[]> {
  const params: unknown[] = [filter.tenant];
  const conditions = ["tenant = $1"];
  const add = (condition: (place: string) => string, value: unknown): void => {
    if (value === undefined) return;
    params.push(value);
    conditions.push(condition(`$${params.length}`));
  };
  add((place) => `session_key = ${place}`, filter.sessionKey);
  add((place) => `turn_id = ${place}`, filter.turnId);
  add((place) => `route_id = ${place}`, filter.routeId);
  add((place) => `state = ${place}`, filter.state);
  add((place) => `trace_id = ${place}`, filter.traceId);
  add((place) => `delivery_id < ${place}`, filter.beforeId);
  if (filter.deadLettersOnly) conditions.push("state IN (4, 5) AND dismiss_time IS NULL");
  if (isBound(filter)) {
    const [agents, prefixes] = [params.push(filter.agents), params.push(filter.keyPrefixes)];
    conditions.push(keyIsWithin("session_key", `$${agents}`, `$${prefixes}`));
  }
  params.push(limit);
  const text = `SELECT ${DELIVERY_COLUMNS} FROM deliveries WHERE ${conditions.join(" AND ")}
    ORDER BY delivery_id DESC LIMIT $${params.length}`;
  return rows<DeliveryRow>(sql, text, params);
}
