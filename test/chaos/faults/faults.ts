import type { Fault } from "./fault.ts";
import * as postgres from "./postgres.ts";
import * as processes from "./processes.ts";
import * as ways from "./ways.ts";

/** What breaks things at once with others: each list has somebody of its own who goes through it. */
export type Faults = readonly (readonly Fault[])[];

const { kill, pause, killAtPoint, pauseAtPoint, clock } = processes;
const { crash, terminate, noConnection, exhaustedPool, idleTransaction, fullDisk } = postgres;
const { cut, slow, blackhole, halfOpen } = ways;
const { lostRequests, lostReplies, doubledRequests, lateRequests } = ways;

/** Kills and pauses come oftener than the rest. */
export const FAULTS: Faults = [
  [
    ...[kill, pause, killAtPoint, pauseAtPoint, clock],
    ...[crash, terminate, noConnection, exhaustedPool, idleTransaction, fullDisk],
    ...[kill, pause, killAtPoint, killAtPoint],
  ],
  [
    ...[cut, slow, blackhole, halfOpen],
    ...[lostRequests, lostReplies, doubledRequests, lateRequests],
  ],
];

/** Those that a minute has to have, one after the other: each of another kind, and none that others contain. */
export const MAIN_FAULTS: Faults = [
  [
    ...[
      kill,
      pause,
      killAtPoint,
      pauseAtPoint,
      crash,
      terminate,
      exhaustedPool,
      blackhole,
      halfOpen,
    ],
    ...[lostRequests, lostReplies, doubledRequests, lateRequests],
  ],
];

/** Nothing but ends of processes. */
export const KILLS: Faults = [[kill, killAtPoint]];

export const NO_FAULTS: Faults = [];

/** Each kind once. */
export function kindsOf(faults: Faults): readonly string[] {
  return [...new Set(faults.flat().map(({ kind }) => kind))];
}
