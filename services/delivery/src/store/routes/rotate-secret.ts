import { first, type Sql } from "../sql.ts";

/** Those whose time is not over, the newest first: the last one's predecessor, then those of rotations before. */
const OLDER = `(
  SELECT coalesce(jsonb_agg(old ORDER BY place), '[]') FROM (
    SELECT old, place FROM jsonb_array_elements(
      jsonb_build_array(jsonb_build_object('secret', old_secret, 'end', old_secret_end)) || older_secrets
    ) WITH ORDINALITY AS all_old (old, place)
    WHERE (old ->> 'end')::timestamptz > clock_timestamp() AND $5::float8 > 0 ORDER BY place LIMIT $6
  ) kept
)`;

const ROTATE = {
  name: "delivery_rotate_secret",
  text: `
UPDATE routes SET
  older_secrets = CASE WHEN rotation_id = $3 THEN older_secrets ELSE ${OLDER} END,
  old_secret = CASE WHEN rotation_id = $3 THEN old_secret ELSE signing_secret END,
  old_secret_end = CASE WHEN rotation_id = $3 THEN old_secret_end
    ELSE clock_timestamp() + $5::float8 * interval '1 millisecond' END,
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
  /** 0: all old ones end. */
  readonly keepOldMs: number;
  /** So many old ones sign at most; the oldest end for newer ones. */
  readonly maxOld: number;
}

/** Gives a route another secret; those before sign too, each until its time is over. Undefined: no such route. */
export function rotateSecret(
  sql: Sql,
  { tenant, routeId, requestId, newSecret, keepOldMs, maxOld }: Rotation,
): Promise<{ readonly signingSecret: string; readonly oldSecretEnd: Date } | undefined> {
  return first(sql, ROTATE, [tenant, routeId, requestId, newSecret, keepOldMs, maxOld - 1]);
}
