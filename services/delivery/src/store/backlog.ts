import { rows, type Sql } from "./sql.ts";

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
    WHEN now() - create_time < interval '10 s' THEN 'under_10s'
    WHEN now() - create_time < interval '1 min' THEN 'under_1m'
    WHEN now() - create_time < interval '10 min' THEN 'under_10m'
    WHEN now() - create_time < interval '1 h' THEN 'under_1h'
    ELSE 'older' END AS age
  FROM deliveries WHERE state IN (1, 2) LIMIT $1
) open GROUP BY age`,
};

/** Looks at `limit` open deliveries at most; ages without any are left out. */
export function readBacklog(sql: Sql, limit: number): Promise<Backlog[]> {
  return rows<Backlog>(sql, BACKLOG, [limit]);
}
