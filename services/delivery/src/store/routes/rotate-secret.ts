import { first, type Sql } from "../sql.ts";

const ROTATE = {
  name: "delivery_rotate_secret",
  text: `
UPDATE routes SET
  old_secret = CASE WHEN rotation_id = $3 THEN old_secret ELSE signing_secret END,
  old_secret_end = CASE WHEN rotation_id = $3 THEN old_secret_end
    ELSE clock_timestamp() + $5 * interval '1 millisecond' END,
  signing_secret = CASE WHEN rotation_id = $3 THEN signing_secret ELSE $4 END,
  rotation_id = $3
WHERE tenant = $1 AND route_id = $2
RETURNING signing_secret AS "signingSecret", old_secret_end AS "oldSecretEnd"`,
};

export interface Rotation {
  readonly tenant: string;
  readonly routeId: string;
  /** A repeat of the last one changes nothing. */
  readonly requestId: string;
  readonly newSecret: string;
  readonly keepOldMs: number;
}

/** Gives a route another secret; the one before signs too for a while. Undefined: no such route. */
export function rotateSecret(
  sql: Sql,
  { tenant, routeId, requestId, newSecret, keepOldMs }: Rotation,
): Promise<{ readonly signingSecret: string; readonly oldSecretEnd: Date } | undefined> {
  return first(sql, ROTATE, [tenant, routeId, requestId, newSecret, keepOldMs]);
}
