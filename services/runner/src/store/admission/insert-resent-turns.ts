import {
  addsLastAlone,
  type KnownSession,
  newInput,
  type NewInput,
} from "../../domain/new-input.ts";
import { LIMITS } from "../../limits.ts";
import { type Admitted, insertLaneTurns } from "./insert-lane-turn.ts";
import { lockOrCreateLane } from "../lanes/lane-row.ts";
import type { LaneAdmission } from "./new-turn.ts";
import { readIsEmpty, readKnownSession } from "./read-known-session.ts";
import type { RunnerDatabase, Sql } from "../sql.ts";

/** A turn that was admitted, and what of its request was new. */
export interface AdmittedInput extends Admitted {
  readonly said: NewInput;
}

/**
 * Admits turns of one lane and session whose requests resend what was said before, as one lot: the lane is
 * locked and the session read once, and each turn is compared with what was known and with the inputs of
 * those before it, as if these had been stored. Undefined: the turn was refused, or is a repeat.
 * @throws GapInLot, where one was left out that a later one was compared with; then none was admitted.
 */
export async function insertResentTurns(
  db: RunnerDatabase,
  turns: readonly LaneAdmission[],
): Promise<readonly (AdmittedInput | undefined)[]> {
  return db
    .transaction(async (sql) => {
      const parted = await partAll(sql, turns);
      const admitted = await insertLaneTurns(
        sql,
        turns.map((one, at) => ({ ...one, admission: { ...one.admission, ...parted[at] } })),
      );
      const firstLeftOut = admitted.indexOf(undefined);
      if (admitted.every((one) => one === undefined)) throw new NothingAdmitted();
      const isGap = (at: number): boolean => firstLeftOut >= 0 && at > firstLeftOut;
      if (admitted.some((one, at) => one !== undefined && isGap(at))) throw new GapInLot();
      return admitted.map((one, at) => {
        const said = parted[at];
        return one && said && { ...one, said };
      });
    })
    .catch((error: unknown) => {
      if (error instanceof NothingAdmitted) return turns.map(() => undefined);
      throw error;
    });
}

/** The turns are to be admitted one by one. */
export class GapInLot extends Error {}

/** Undoes the transaction: a refusal changes nothing. */
class NothingAdmitted extends Error {}

async function partAll(sql: Sql, turns: readonly LaneAdmission[]): Promise<NewInput[]> {
  const [first] = turns;
  if (first === undefined) return [];
  const { tenant, session } = first.turn;
  await lockOrCreateLane(sql, tenant, session.sessionKey);
  const needsTurns = turns.some(({ turn }) => !addsLastAlone(turn.messages));
  let known: KnownSession = needsTurns
    ? await readKnownSession(sql, tenant, session, LIMITS.rememberedTurns)
    : { turns: [], systemMessages: [], isEmpty: await readIsEmpty(sql, tenant, session) };
  return turns.map(({ turn }) => {
    const said = newInput(turn.messages, known);
    const waiting = { input: said.input, replyText: undefined, isFinished: false };
    known = { ...known, turns: [...known.turns, waiting], isEmpty: false };
    return said;
  });
}
