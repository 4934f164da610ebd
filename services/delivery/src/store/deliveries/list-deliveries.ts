import { DeliveryState } from "@lanekeeper/protocol/lanekeeper/delivery/v1/delivery";
import { keyIsWithin, pageOf, pageOfBytes, type PageRow } from "@lanekeeper/postgres";
import { isBound } from "@lanekeeper/session-key";
import { DELIVERY_COLUMNS, type DeliveryRow } from "./delivery-row.ts";
import { rows, type Sql } from "../sql.ts";

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

/** How much of a list is read at once. */
export interface PageBounds {
  readonly limit: number;
  /** Of replies' parts; the one that goes over it is the page's last. */
  readonly maxBytes: number;
}

export interface DeliveryPage {
  readonly page: readonly DeliveryRow[];
  readonly isMore: boolean;
}

const BYTES = "(SELECT coalesce(sum(octet_length(part)), 0) FROM unnest(parts) AS part)";

/** Newest first, by id: a UUIDv7 begins with the time. */
export async function listDeliveries(
  sql: Sql,
  filter: DeliveryFilter,
  { limit, maxBytes }: PageBounds,
): Promise<DeliveryPage> {
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
  add((place) => stateIs(filter.state, place), filter.state);
  add((place) => `trace_id = ${place}`, filter.traceId);
  add((place) => `delivery_id < ${place}`, filter.beforeId);
  if (filter.deadLettersOnly) conditions.push("failed_state IN (4, 5) AND dismiss_time IS NULL");
  if (isBound(filter)) {
    const [agents, prefixes] = [params.push(filter.agents), params.push(filter.keyPrefixes)];
    conditions.push(keyIsWithin("session_key", `$${agents}`, `$${prefixes}`));
  }
  const [most, bytes] = [params.push(limit + 1), params.push(maxBytes)];
  const select = `SELECT ${DELIVERY_COLUMNS}, ${BYTES} AS "pageBytes" FROM deliveries
    WHERE ${conditions.join(" AND ")} ORDER BY delivery_id DESC LIMIT $${most}`;
  const text = pageOfBytes({ select, order: `"deliveryId" DESC`, maxBytes: `$${bytes}` });
  return pageOf(await rows<DeliveryRow & PageRow>(sql, text, params), limit);
}

/**
 * By what an index knows: those that failed by their state, those that are open by the routes that have some.
 * The others are those that were sent, which are nearly all.
 */
function stateIs(state: number | undefined, place: string): string {
  switch (state) {
    case DeliveryState.PENDING:
    case DeliveryState.SENDING:
      return `state = ${place} AND delivery_id IN (${OPEN})`;
    case DeliveryState.FAILED:
    case DeliveryState.UNKNOWN:
    case DeliveryState.SUPPRESSED_STALE:
      return `failed_state = ${place}`;
    default:
      return `state = ${place}`;
  }
}

const OPEN = `SELECT d.delivery_id FROM routes r JOIN deliveries d
  ON d.tenant = r.tenant AND d.route_id = r.route_id AND d.route_seq >= r.head_seq AND d.state IN (1, 2)
  WHERE r.tenant = $1 AND (r.due_time IS NOT NULL OR r.blocked_by IS NOT NULL)`;
