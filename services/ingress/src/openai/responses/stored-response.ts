import { create } from "@bufbuild/protobuf";
import {
  type TurnEnded,
  TurnEndedSchema,
} from "@lanekeeper/protocol/lanekeeper/runner/v1/runner_service";
import {
  type Turn,
  type TurnRequest,
  TurnState,
} from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import type { RunnerClient } from "@lanekeeper/client";
import { hasReason, LanekeeperError } from "@lanekeeper/rpc";
import { dispositionWord } from "../../turns/disposition.ts";
import type { Asker } from "../asker.ts";
import { shownName } from "../shown-name.ts";
import { turnIdOf } from "./response-id.ts";

/** Reads turns. */
export interface TurnReader {
  readonly runner: Pick<RunnerClient, "getTurn">;
}

/** A response as its turn stands. */
export interface StoredResponse {
  readonly turn: Turn;
  readonly request: TurnRequest;
  /** The turn that answers: this one, or the one that it became a part of. */
  readonly answering: Turn;
}

/**
 * The response of this id, if this very credential asked for it. One that was to be kept nowhere
 * (`store: false`) is told to nobody.
 * @throws NOT_FOUND, the same for what is not there and what is another's
 */
export async function readResponse(
  reader: TurnReader,
  asker: Asker,
  id: string,
): Promise<StoredResponse> {
  const turnId = turnIdOf(id);
  const found = turnId === undefined ? undefined : await readTurn(reader, asker, turnId);
  const turn = found?.turn;
  const request = found?.request;
  if (turn === undefined || request === undefined) throw unknownResponse(id);
  const isOwn = turn.principal === asker.caller.principal;
  if (!isOwn || request.parameters?.["store"] === false) throw unknownResponse(id);
  return { turn, request, answering: await hostOf(reader, asker, turn) };
}

function readTurn({ runner }: TurnReader, { caller, ...call }: Asker, turnId: string) {
  return runner
    .getTurn({ turnId, withRequest: true }, { ...caller, ...call })
    .catch((error: unknown) => {
      if (hasReason(error, "NOT_FOUND")) return undefined;
      throw error;
    });
}

/** The answer of a turn that became a part of another is that one's. */
async function hostOf(reader: TurnReader, asker: Asker, turn: Turn): Promise<Turn> {
  const isPart = turn.state === TurnState.COALESCED && turn.reply === undefined;
  if (!isPart || turn.intoTurnId === "") return turn;
  return (await readTurn(reader, asker, turn.intoTurnId))?.turn ?? turn;
}

function unknownResponse(id: string): LanekeeperError {
  const shown = shownName(id);
  return new LanekeeperError("NOT_FOUND", `no response with the id ${JSON.stringify(shown)}`, {
    metadata: { resource_type: "response", resource_name: shown },
  });
}

/** How a stored turn ended, as its stream tells it. */
export function endedOf({ turn, answering }: StoredResponse): TurnEnded {
  const { state, errorReason, errorMessage, runs, finishReason, model } = answering;
  const { session, reply, usage } = answering;
  return create(TurnEndedSchema, {
    state,
    errorReason,
    errorMessage,
    runId: runs.at(-1)?.runId ?? "",
    finishReason,
    model,
    intoTurnId: turn.intoTurnId,
    ...(session === undefined ? {} : { session }),
    ...(reply === undefined ? {} : { reply }),
    ...(usage === undefined ? {} : { usage }),
  });
}

/** What was decided when a stored turn was accepted. */
export function acceptedOf({ turn }: StoredResponse) {
  const { turnId, session, disposition, position } = turn;
  return { turnId, session, disposition: dispositionWord(disposition), position };
}
