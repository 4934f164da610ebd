import { createHash } from "node:crypto";
import { first, type Sql } from "../sql.ts";

/** A place whose messages must keep a distance, whatever route or replica sends them. */
export interface PacedPlace {
  readonly tenant: string;
  readonly kind: number;
  readonly accountId: string;
  readonly address: string;
}

const TAKE = {
  name: "delivery_take_pace",
  text: `
INSERT INTO paces AS p (tenant, place, next_time)
VALUES ($1, $2, clock_timestamp() + $3 * interval '1 millisecond')
ON CONFLICT (tenant, place) DO UPDATE
  SET next_time = greatest(p.next_time, clock_timestamp()) + $3 * interval '1 millisecond'
  WHERE p.next_time <= clock_timestamp() + $4 * interval '1 millisecond'
RETURNING (extract(epoch FROM p.next_time - clock_timestamp()) * 1000)::float8 - $3 AS "waitMs"`,
};

const LOOK = {
  name: "delivery_look_at_pace",
  text: `
SELECT (extract(epoch FROM next_time - clock_timestamp()) * 1000)::float8 AS "waitMs" FROM paces
WHERE tenant = $1 AND place = $2`,
};

/** A turn at a place, to be waited for; or none now, and when to ask again. */
export interface Pace {
  readonly isTaken: boolean;
  readonly waitMs: number;
}

/** Takes the next turn at a place, unless that is more than `maxWaitMs` away. */
export async function takePace(
  sql: Sql,
  place: PacedPlace,
  { everyMs, maxWaitMs }: { readonly everyMs: number; readonly maxWaitMs: number },
): Promise<Pace> {
  interface Row {
    readonly waitMs: number;
  }
  const name = [place.tenant, digest(place)];
  const taken = await first<Row>(sql, TAKE, [...name, everyMs, maxWaitMs]);
  const found = taken ?? (await first<Row>(sql, LOOK, name));
  return { isTaken: taken !== undefined, waitMs: Math.max(0, found?.waitMs ?? 0) };
}

const SLOW = {
  name: "delivery_slow_pace",
  text: `
INSERT INTO paces AS p (tenant, place, next_time)
VALUES ($1, $2, clock_timestamp() + $3 * interval '1 millisecond')
ON CONFLICT (tenant, place) DO UPDATE SET next_time = greatest(p.next_time, excluded.next_time)`,
};

/** The channel asked that nothing be sent there before that. */
export async function slowPace(sql: Sql, place: PacedPlace, delayMs: number): Promise<void> {
  await sql.query(SLOW, [place.tenant, digest(place), delayMs]);
}

function digest({ kind, accountId, address }: PacedPlace): Buffer {
  return createHash("sha256")
    .update(JSON.stringify([kind, accountId, address]))
    .digest();
}
