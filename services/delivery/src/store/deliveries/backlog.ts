import { first, rows, type Sql } from "../sql.ts";

/** What is open, by how long ago it was enqueued. */
export interface Backlog {
  readonly age: AgeName;
  readonly count: number;
}

export const AGES = ["under_10s", "under_1m", "under_10m", "under_1h", "older"] as const;
export type AgeName = (typeof AGES)[number];

const BACKLOG = {
  name: "delivery_backlog",
  text: `
SELECT age, count(*)::int AS count FROM (
  SELECT CASE
    WHEN now() - d.create_time < interval '10 s' THEN 'under_10s'
    WHEN now() - d.create_time < interval '1 min' THEN 'under_1m'
    WHEN now() - d.create_time < interval '10 min' THEN 'under_10m'
    WHEN now() - d.create_time < interval '1 h' THEN 'under_1h'
    ELSE 'older' END AS age
  FROM routes r JOIN deliveries d USING (tenant, route_id)
  WHERE (r.due_time IS NOT NULL OR r.blocked_by IS NOT NULL) AND d.route_seq >= r.head_seq
    AND d.state IN (1, 2) LIMIT $1
) open GROUP BY age`,
};

const BLOCKED = {
  name: "delivery_blocked_routes",
  text: `
SELECT count(*)::int AS count FROM (
  SELECT 1 FROM routes WHERE blocked_by IS NOT NULL LIMIT $1
) blocked`,
};

/** Routes that wait for somebody, up to `limit`. */
export async function countBlocked(sql: Sql, limit: number): Promise<number> {
  return (await first<{ count: number }>(sql, BLOCKED, [limit]))?.count ?? 0;
}

/** Looks at `limit` open deliveries at most; ages without any are left out. */
export function readBacklog(sql: Sql, limit: number): Promise<Backlog[]> {
  return rows<Backlog>(sql, BACKLOG, [limit]);
}
