import { toJson } from "@bufbuild/protobuf";
import { durationMs } from "@bufbuild/protobuf/wkt";
import {
  CancelTurnResponseSchema,
  GetLaneResponseSchema,
  ListLanesResponseSchema,
  RunnerService,
} from "@lanekeeper/protocol/lanekeeper/runner/v1/runner_service";
import {
  type Lane,
  type Turn,
  TurnStateSchema,
} from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { enumName } from "../operator/enum-name.ts";
import { openOperator } from "../operator/open-operator.ts";
import { canonicalKey } from "../operator/session-key.ts";
import { time } from "../operator/session-lines.ts";
import { jsonText, type Output } from "../output.ts";

interface Json {
  readonly json?: true;
}

const METHODS = RunnerService.method;

/** `lanekeeper lane list`: lanes that have work. */
export async function listLanes(
  options: Json & { readonly limit: number },
  output: Output,
): Promise<void> {
  const operator = await openOperator();
  const answer = await operator.call(METHODS.listLanes, { pageSize: options.limit });
  if (options.json) return output.line(jsonText(toJson(ListLanesResponseSchema, answer)));
  for (const lane of answer.lanes) output.line(`${lane.sessionKey}  ${laneText(lane)}`);
  if (answer.lanes.length === 0) output.line("no lane has work");
  if (answer.nextPageToken !== "") output.line("and more: raise --limit");
}

/** `lanekeeper lane get <key>`: who holds it, and who waits. */
export async function getLane(name: string, options: Json, output: Output): Promise<void> {
  const operator = await openOperator();
  const sessionKey = await canonicalKey(operator, name);
  const answer = await operator.call(METHODS.getLane, { sessionKey });
  if (options.json) return output.line(jsonText(toJson(GetLaneResponseSchema, answer)));
  const { lane } = answer;
  if (lane === undefined) return output.line(`${sessionKey}  empty`);
  output.line(`${sessionKey}  ${laneText(lane)}`);
  if (lane.activeTurn !== undefined) output.line(`  runs     ${turnText(lane.activeTurn)}`);
  for (const turn of lane.queuedTurns) output.line(`  waits    ${turnText(turn)}`);
}

/** `lanekeeper lane cancel <turn id>` */
export async function cancelTurn(
  turnId: string,
  options: Json & { readonly note?: string },
  output: Output,
): Promise<void> {
  const operator = await openOperator();
  const note = options.note ?? "lanekeeper lane cancel";
  const answer = await operator.call(METHODS.cancelTurn, { turnId, note });
  if (options.json) return output.line(jsonText(toJson(CancelTurnResponseSchema, answer)));
  if (answer.turn !== undefined) output.line(turnText(answer.turn));
}

function laneText({ depth, activeTurn, heartbeatAge }: Lane): string {
  const waiting = depth === 1 ? "1 turn waits" : `${depth} turns wait`;
  if (activeTurn === undefined) return waiting;
  const age =
    heartbeatAge === undefined ? "" : `, heartbeat ${Math.round(durationMs(heartbeatAge))} ms ago`;
  return `${waiting}, one runs${age}`;
}

function turnText({ turnId, state, laneSeq, acceptTime, principal, requestId }: Turn): string {
  const from = requestId === "" ? "" : `, request ${requestId}`;
  return `${turnId}  ${enumName(TurnStateSchema, state)}, number ${laneSeq}, accepted ${time(acceptTime)} from ${principal}${from}`;
}
