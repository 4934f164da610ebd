import {
  CONNECTIONS,
  DATABASE_SIZE,
  DEAD_ROWS,
  ROW_SIZE,
  TABLE_SIZE,
} from "../samples/database.ts";
import { DESCRIPTORS, HEAP, QUEUE_WAIT, RESIDENT } from "../samples/processes.ts";

export const WATCH_LAG = "watch lag, median ms";
export const OUTBOX_LAG = "from the model's answer to the receiver, median ms";
export const TURN_TIME = "turns, median ms";

/** What a group may grow by over the later half of a run. Both are allowed together. */
export interface Tolerance {
  /** Of the median of that half. */
  readonly share: number;
  /** In the group's unit: what is noise whatever the size. */
  readonly least: number;
  /** Only of processes that were never killed: others begin anew. */
  readonly livesOn?: boolean;
}

/** Groups that are not here are shown and not judged. */
export const TOLERANCES: Readonly<Record<string, Tolerance>> = {
  // V8 gives pages back when it likes; a leak of 1 KiB a turn is 5 MiB in ten minutes.
  [RESIDENT]: { share: 0.06, least: 4, livesOn: true },
  [HEAP]: { share: 0.06, least: 4, livesOn: true },
  // A caller's connection more or less.
  [DESCRIPTORS]: { share: 0.05, least: 4, livesOn: true },
  // Two pools of two replicas, each of which opens another one at a peak and closes it after a while.
  [CONNECTIONS]: { share: 0.05, least: 4 },
  // What was swept is used again once it was vacuumed, each minute at the soonest.
  [TABLE_SIZE]: { share: 0.1, least: 0.25 },
  [ROW_SIZE]: { share: 0.05, least: 10 },
  [DEAD_ROWS]: { share: 0.2, least: 0.2 },
  [WATCH_LAG]: { share: 0.3, least: 5 },
  [OUTBOX_LAG]: { share: 0.3, least: 10 },
  [QUEUE_WAIT]: { share: 0.3, least: 10 },
  [TURN_TIME]: { share: 0.3, least: 10 },
};

/** The picture's panels, in this order. */
export const PANELS: readonly string[] = [
  ...[RESIDENT, HEAP, DESCRIPTORS, CONNECTIONS, TABLE_SIZE, ROW_SIZE, DEAD_ROWS],
  ...[WATCH_LAG, OUTBOX_LAG, QUEUE_WAIT, TURN_TIME, DATABASE_SIZE],
];
