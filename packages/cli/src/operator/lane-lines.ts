import { durationMs } from "@bufbuild/protobuf/wkt";
import {
  type Lane,
  type Turn,
  TurnState,
  TurnStateSchema,
} from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { enumName } from "./enum-name.ts";
import { time } from "./session-lines.ts";

/** A lane with who holds it and who waits, in order; of very many the first. */
export function laneLines(lane: Lane): string[] {
  const { activeTurn, queuedTurns, depth } = lane;
  const hidden = depth - queuedTurns.length;
  return [
    laneLine(lane),
    ...(activeTurn === undefined ? [] : [`  runs     ${turnLine(activeTurn)}`]),
    ...queuedTurns.map((turn) => `  waits    ${turnLine(turn)}`),
    ...(hidden > 0 ? [`  and ${hidden} more wait`] : []),
  ];
}

/** A lane in one line. */
export function laneLine({ sessionKey, depth, activeTurn, heartbeatAge }: Lane): string {
  const waiting = depth === 1 ? "1 turn waits" : `${depth} turns wait`;
  const age = heartbeatAge === undefined ? "" : `, heartbeat ${ageText(durationMs(heartbeatAge))}`;
  const running = activeTurn === undefined ? "" : `, one runs${age}`;
  return `${sessionKey}  ${waiting}${running}`;
}

/** A heartbeat is due every few seconds: what is much older is for people. */
function ageText(ms: number): string {
  return ms < 10_000 ? `${Math.round(ms)} ms ago` : `${Math.round(ms / 1_000)} s ago`;
}

/** A turn in one line: where it stands, whose it is, and what became of it. */
export function turnLine(turn: Turn): string {
  const { turnId, state, laneSeq, acceptTime, principal, requestId } = turn;
  return [
    `${turnId}  ${enumName(TurnStateSchema, state)}`,
    `number ${laneSeq}`,
    ...placeOf(turn),
    `accepted ${time(acceptTime)} from ${principal}`,
    ...(requestId === "" ? [] : [`request ${requestId}`]),
  ].join(", ");
}

function placeOf({ state, position, runs }: Turn): string[] {
  if (state === TurnState.QUEUED) return [position === 0 ? "next" : `${position} before it`];
  const run = runs.at(-1);
  return state === TurnState.ACTIVE && run !== undefined ? [`run ${run.runId}`] : [];
}
