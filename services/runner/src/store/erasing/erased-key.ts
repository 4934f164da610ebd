/** A key of an erasure. */
export interface ErasedPlace {
  readonly tenant: string;
  readonly sessionKey: string;
  /** What stands under later generations was said since, and stays. */
  readonly through: bigint;
}

/** Of the generation in which it was run, or was to run. */
export const GENERATION = "coalesce(t.generation, t.admitted_generation)";

/** Sql: turns of the key `$2` of the tenant `$1`, through the generation `$3`. */
export const TURNS_OF_PLACE = `t.tenant = $1 AND t.session_key = $2 AND ${GENERATION} <= $3`;

/** Whether one of them may still say something. */
export const HAS_OPEN_TURN = `EXISTS (SELECT FROM turns t WHERE ${TURNS_OF_PLACE} AND t.end_time IS NULL)`;

export function placeParams({ tenant, sessionKey, through }: ErasedPlace): unknown[] {
  return [tenant, sessionKey, through];
}
