import { LanekeeperError } from "@lanekeeper/rpc";
import type { RunBegun, TurnEnded } from "@lanekeeper/protocol/lanekeeper/runner/v1/runner_service";
import { inTrace } from "@lanekeeper/service";
import type { IngressContext } from "../context.ts";
import { EventStream } from "../http/sse.ts";
import type { TurnEvent } from "../turns/attach-turn.ts";
import { endingError, isAnswered, TurnEndedError } from "../turns/outcome.ts";
import { queueWaitTimer } from "../turns/queue-wait.ts";
import type { AnswerStream, StreamData } from "./answer-format.ts";
import type { Answering } from "./answering.ts";
import { asLanekeeperError } from "./errors.ts";
import { receipt } from "./receipt.ts";
import { responseId } from "./responses/response-id.ts";

/**
 * Answers as the answer comes. The status is sent at once, so what goes wrong from here on is told
 * by an event, which OpenAI's clients throw.
 */
export async function streamedAnswer(context: IngressContext, answering: Answering): Promise<void> {
  const { res, facts } = answering.exchange;
  const closed = context.metrics.streamOpened();
  const answer = answering.format.stream();
  const options = { clock: context.clock, ...context.limits, isNamed: answer.isNamed };
  const stream = new EventStream(res, options);
  try {
    await tell(context, answering, { answer, stream });
  } catch (thrown) {
    if (res.destroyed) return;
    const error = asLanekeeperError(thrown, (errorId, err) =>
      inTrace(context.log, facts.traceparent).error(
        { err, error_id: errorId, request_id: facts.requestId },
        "internal error",
      ),
    );
    facts.error = error;
    await stream.data(...answer.broken(error)).catch(() => undefined);
    stream.end();
  } finally {
    stream.close();
    closed();
  }
}

interface Telling {
  readonly answer: AnswerStream;
  readonly stream: EventStream;
}

async function tell(
  context: IngressContext,
  answering: Answering,
  { answer, stream }: Telling,
): Promise<void> {
  const began = queueWaitTimer(context, answering.turn);
  await stream.data(...answer.open());
  for await (const event of answering.turn.events) {
    if (event.case === "runBegun") began();
    await stream.data(...told(event, answer, answering));
    if (event.case === "ended") return stream.end();
  }
  throw new LanekeeperError("INTERNAL", "the turn's events ended before the turn");
}

function told(event: TurnEvent, answer: AnswerStream, answering: Answering): StreamData[] {
  const { turn, exchange, tellsQueue } = answering;
  switch (event.case) {
    case "queued":
      return tellsQueue ? answer.queued(event.value) : [];
    case "runBegun":
      exchange.facts.runId = event.value.runId;
      if (event.value.discardPrevious && answer.hasSaid) throw takenOver(turn.turnId, event.value);
      return answer.begun();
    case "textDelta":
      return answer.text(event.value);
    case "toolCall":
      return answer.toolCall(event.value);
    case "ended":
      return lastWords(event.value, answer, answering);
    default:
      return [];
  }
}

function lastWords(
  ended: TurnEnded,
  answer: AnswerStream,
  { turn, exchange: { facts } }: Answering,
): StreamData[] {
  facts.runId = ended.runId;
  const lanekeeper = receipt(turn, ended, facts.requestId);
  if (isAnswered(ended)) return answer.end(ended, lanekeeper);
  const error = endingError(ended);
  facts.error = error;
  return answer.failed(error, ended, lanekeeper);
}

/** What was said cannot be unsaid over HTTP; the answer is there for whoever asks again. */
function takenOver(turnId: string, { runId }: RunBegun): TurnEndedError {
  const message =
    `the run that was answering died, and ${runId} answers the turn ${turnId} anew; what was streamed is ` +
    `void: GET /v1/responses/${responseId(turnId)} tells the answer, and so does the same request ` +
    "under its Idempotency-Key";
  return new TurnEndedError("TAKEN_OVER", message, {
    metadata: { turn_id: turnId, run_id: runId },
  });
}
