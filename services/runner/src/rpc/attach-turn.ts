import { create } from "@bufbuild/protobuf";
import {
  type AttachTurnRequest,
  type AttachTurnResponse,
  AttachTurnResponseSchema,
} from "@lanekeeper/protocol/lanekeeper/runner/v1/runner_service";
import { Disposition } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { type CallContext, invalid } from "@lanekeeper/rpc";
import type { RunnerContext } from "../context.ts";
import type { AdmissionResult } from "../admission/admission-result.ts";
import { follow } from "../attaching/follow.ts";
import { MAX_STREAM_SEQ } from "../domain/stream-seq.ts";
import { readTurn } from "../store/attaching/read-turn.ts";
import { accept, acceptedMessage } from "./accept.ts";
import { requireTold } from "./bounds.ts";
import type { Handler } from "./handler.ts";
import { parseUuid } from "./parse-field.ts";
import { parseSubmit } from "./parse-submit.ts";
import { countIn, onLeft, takePlace } from "./attachment.ts";
import { asTold } from "./told.ts";

/** Attaches to a turn, or accepts one and attaches; ends with the turn. */
export const attachTurn: Handler<"attachTurn"> = (context) =>
  async function* (request, call) {
    try {
      yield* attach(context, request, call);
    } catch (error) {
      throw asTold(error);
    }
  };

async function* attach(
  context: RunnerContext,
  request: AttachTurnRequest,
  call: CallContext,
): AsyncGenerator<AttachTurnResponse> {
  requireStreamSeq(request.afterStreamSeq);
  using _place = takePlace(context, call);
  const result = await resultOf(context, request, call);
  const { turn } = result;
  const { cancelOnDisconnect: asksToCancel } = request;
  const leave = context.attachments.enter(turn);
  let isOver = false;
  let isCounted = false;
  try {
    isCounted = await countIn(context, result, call, asksToCancel);
    yield create(AttachTurnResponseSchema, {
      event: { case: "accepted", value: acceptedMessage(result) },
    });
    for await (const event of follow(
      context.followParts,
      turn,
      request.afterStreamSeq,
      call.signal,
      { isPatient: request.wholeAnswer },
    )) {
      isOver ||= event.event.case === "ended";
      if (!request.wholeAnswer || !isOnTheWay(event)) yield event;
    }
  } finally {
    const { isLast } = leave();
    if (!isOver) onLeft(context, turn, call, { isCounted, cancels: asksToCancel && isLast });
  }
}

/** @throws INVALID_REQUEST: no event can have that number */
function requireStreamSeq(afterSeq: bigint): void {
  if (afterSeq < 0n) throw invalid("after_stream_seq", "is below 0");
  if (afterSeq > MAX_STREAM_SEQ) throw invalid("after_stream_seq", `is above ${MAX_STREAM_SEQ}`);
}

/** What `ended` brings again, or leaves behind. */
function isOnTheWay({ event: { case: kind } }: AttachTurnResponse): boolean {
  return (
    kind === "queued" || kind === "textDelta" || kind === "toolCall" || kind === "toolActivity"
  );
}

function resultOf(
  context: RunnerContext,
  request: AttachTurnRequest,
  call: CallContext,
): Promise<AdmissionResult> {
  const { target } = request;
  switch (target.case) {
    case "submit":
      return accept(context, parseSubmit(target.value, call), true);
    case "turnId":
      return known(context, call, parseUuid("turn_id", target.value));
    case undefined:
      throw invalid("submit", "submit or turn_id is required");
  }
}

/** An attachment by id is told of the turn as one that was accepted before. */
async function known(
  context: RunnerContext,
  call: CallContext,
  turnId: string,
): Promise<AdmissionResult> {
  const { tenant } = call;
  const turn = requireTold(await readTurn(context.deps.db, tenant, turnId), turnId, call);
  const position = await context.followParts.positions.before(turn);
  const disposition = Disposition.JOINED;
  return { turn, disposition, position, claimedRunId: undefined, stopped: undefined };
}
