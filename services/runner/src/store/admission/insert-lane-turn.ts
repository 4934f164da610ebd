import { byPlace } from "@lanekeeper/postgres";
import { insertedRows } from "./lane-turn-sql.ts";
import type { LaneAdmission } from "./new-turn.ts";
import type { Sql } from "../sql.ts";
import { laneName } from "../../domain/lane-name.ts";

/** How a turn was accepted. */
export interface Admitted {
  readonly laneSeq: bigint;
  readonly isClaimed: boolean;
  /** Turns before it. */
  readonly position: number;
  readonly acceptTime: Date;
}

interface Row {
  readonly place: number;
  /** Of the first of its lane. */
  readonly first_place: number;
  /** Among those of its lane, from 1. */
  readonly rank: number;
  readonly lane_seq: bigint;
  readonly is_claimed: boolean;
  readonly accept_time: Date;
  /** Of the first of a lane: turns before it. */
  readonly before: number;
}

/**
 * Admits turns; undefined: the turn was refused, or another of its idempotency key stands before it, and
 * nothing was changed for it. Those of one lane are admitted in their order, as if each had come in a
 * statement of its own; they are of one lot (`lotOf`).
 * @throws the unique violation of `idempotency_pkey` where a twin won the race; then none was admitted.
 */
export async function insertLaneTurns(
  sql: Sql,
  turns: readonly LaneAdmission[],
): Promise<readonly (Admitted | undefined)[]> {
  const asked = withoutTwins(turns);
  const lanes = new Set(asked.map(({ turn }) => laneName(turn.tenant, turn.session.sessionKey)));
  const found = await insertedRows<Row>(sql, asked, lanes.size === asked.length);
  const byPlaces = byPlace(found, asked.length);
  const answers = new Map(asked.map((one, index) => [one, byPlaces[index]]));
  return turns.map((one) => {
    const row = answers.get(one);
    return row && admittedOf(row, byPlaces[row.first_place - 1]?.before ?? 0);
  });
}

function admittedOf({ lane_seq, is_claimed, rank, accept_time }: Row, before: number): Admitted {
  const position = before + rank - 1;
  return { laneSeq: lane_seq, isClaimed: is_claimed, position, acceptTime: accept_time };
}

/**
 * Turns of a lane that one statement may take: those that wait, where all that it must know of the first
 * holds for the next. What goes to the front, may not wait, or stands elsewhere in the lane's order or under another
 * bound has a statement of its own.
 */
export function lotOf({ turn, admission }: LaneAdmission): string | undefined {
  const { front, mayWait, maxWaiting } = admission;
  return front || !mayWait ? undefined : `${turn.turnClass}/${maxWaiting}`;
}

/** Of those with one idempotency key the first: the statement's look-up cannot see that one. */
function withoutTwins(turns: readonly LaneAdmission[]): readonly LaneAdmission[] {
  if (turns.length === 1) return turns;
  const keys = new Set<string>();
  return turns.filter(({ turn: { tenant, principal, idempotencyKey } }) => {
    const isNew = !keys.has(`${tenant}\n${principal}\n${idempotencyKey}`);
    keys.add(`${tenant}\n${principal}\n${idempotencyKey}`);
    return isNew;
  });
}

/** One turn, within a transaction that has locked its lane. */
export async function insertLaneTurn(sql: Sql, turn: LaneAdmission): Promise<Admitted | undefined> {
  return (await insertLaneTurns(sql, [turn]))[0];
}
