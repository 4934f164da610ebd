import { setTimeout } from "node:timers/promises";
import { toJson } from "@bufbuild/protobuf";
import {
  CancelTurnResponseSchema,
  GetLaneResponseSchema,
  RunnerService,
} from "@lanekeeper/protocol/lanekeeper/runner/v1/runner_service";
import { LaneSchema, type Turn, TurnState } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import type { PageRequest } from "../listing/read-pages.ts";
import { type ListOptions, showList } from "../listing/show-list.ts";
import { laneLine, laneLines, turnLine } from "../operator/lane-lines.ts";
import { openOperator } from "../operator/open-operator.ts";
import type { Operator } from "../operator/operator.ts";
import { canonicalKey, nothingThere } from "../operator/session-key.ts";
import { type Output, showJson } from "../output.ts";

interface Json {
  readonly json?: true;
}

const METHODS = RunnerService.method;

/** `lanekeeper lane list`: lanes that have work. */
export async function listLanes(options: ListOptions, output: Output): Promise<void> {
  const operator = await openOperator();
  const listing = {
    schema: LaneSchema,
    field: "lanes",
    line: laneLine,
    none: () => output.line("no lane has work"),
    ask: async (page: PageRequest) => {
      const answer = await operator.call(METHODS.listLanes, page);
      return { rows: answer.lanes, nextPageToken: answer.nextPageToken };
    },
  };
  await showList(listing, options, output);
}

/** `lanekeeper lane get <key>`: who holds it, and who waits. */
export async function getLane(name: string, options: Json, output: Output): Promise<void> {
  const operator = await openOperator();
  const sessionKey = await canonicalKey(operator, name);
  const answer = await operator.call(METHODS.getLane, { sessionKey });
  if (options.json) return showJson(output, toJson(GetLaneResponseSchema, answer));
  const { lane } = answer;
  if (lane === undefined) return output.line(`${sessionKey}  empty`);
  for (const line of laneLines(lane)) output.line(line);
  if (lane.activeTurn === undefined && lane.depth === 0) {
    output.problem(nothingThere("Nothing runs or waits", sessionKey));
  }
}

/** A run hears of its end within a fraction of a second, at whichever replica. */
const ENDS_WITHIN_MS = 5_000;
const LOOK_EVERY_MS = 200;

/** `lanekeeper lane cancel <turn id>`: one that waits ends at once, one that runs by its run. */
export async function cancelTurn(
  turnId: string,
  options: Json & { readonly note?: string },
  output: Output,
): Promise<void> {
  const operator = await openOperator();
  const note = options.note ?? "cancelled by an operator (lanekeeper lane cancel)";
  const answer = await operator.call(METHODS.cancelTurn, { turnId, note });
  if (options.json) return showJson(output, toJson(CancelTurnResponseSchema, answer));
  const turn = await untilEnded(operator, turnId, answer.turn);
  if (turn === undefined) return;
  output.line(turnLine(turn));
  if (!hasEnded(turn)) output.line("its run was told to stop, and has not ended it yet");
  else if (turn.state !== TurnState.CANCELLED)
    output.line("it has ended otherwise: nothing was cancelled");
}

async function untilEnded(
  operator: Operator,
  turnId: string,
  before: Turn | undefined,
): Promise<Turn | undefined> {
  let turn = before;
  for (let ms = 0; turn !== undefined && !hasEnded(turn) && ms < ENDS_WITHIN_MS; ) {
    await setTimeout(LOOK_EVERY_MS);
    ms += LOOK_EVERY_MS;
    ({ turn } = await operator.call(METHODS.getTurn, { turnId }));
  }
  return turn;
}

function hasEnded({ state }: Turn): boolean {
  return state !== TurnState.QUEUED && state !== TurnState.ACTIVE;
}
