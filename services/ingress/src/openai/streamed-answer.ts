import { LanekeeperError } from "@lanekeeper/rpc";
import type { RunBegun } from "@lanekeeper/protocol/lanekeeper/runner/v1/runner_service";
import type { IngressContext } from "../context.ts";
import { EventStream } from "../http/sse.ts";
import type { TurnEvent } from "../turns/attach-turn.ts";
import { endingError, isAnswered, TurnEndedError } from "../turns/outcome.ts";
import { queueWaitTimer } from "../turns/queue-wait.ts";
import type { Answering } from "./answering.ts";
import { Chunks } from "./chunks.ts";
import { completionHead } from "./completion.ts";
import { asLanekeeperError, errorBody } from "./errors.ts";
import { receipt } from "./receipt.ts";

/**
 * Answers as the answer comes. The status is sent at once, so what goes wrong from here on is told
 * by an error event, which OpenAI's clients throw.
 */
export async function streamedAnswer(context: IngressContext, answering: Answering): Promise<void> {
  const { res, facts } = answering.exchange;
  const closed = context.metrics.streamOpened();
  const stream = new EventStream(res, { clock: context.clock, ...context.limits });
  try {
    await tell(context, answering, stream);
  } catch (thrown) {
    if (res.destroyed) return;
    const error = asLanekeeperError(thrown, (errorId, err) =>
      context.log.error({ err, error_id: errorId, request_id: facts.requestId }, "internal error"),
    );
    facts.error = error;
    await stream.data(errorBody(error, facts)).catch(() => undefined);
    stream.end();
  } finally {
    stream.close();
    closed();
  }
}

async function tell(
  context: IngressContext,
  answering: Answering,
  stream: EventStream,
): Promise<void> {
  const { chat, turn } = answering;
  const head = completionHead(turn.turnId, chat.model, context.clock.now());
  const chunks = new Chunks(head, chat.includeUsage);
  const began = queueWaitTimer(context);
  for await (const event of turn.events) {
    if (event.case === "runBegun") began();
    await stream.data(...chunksOf(event, chunks, answering));
    if (event.case === "ended") return stream.end();
  }
  throw new LanekeeperError("INTERNAL", "the turn's events ended before the turn");
}

function chunksOf(
  event: TurnEvent,
  chunks: Chunks,
  { turn, exchange: { facts } }: Answering,
): (object | string)[] {
  switch (event.case) {
    case "runBegun":
      facts.runId = event.value.runId;
      if (event.value.discardPrevious && chunks.hasSaid) throw takenOver(turn.turnId, event.value);
      return [];
    case "textDelta":
      return chunks.text(event.value);
    case "toolCall":
      return chunks.toolCall(event.value);
    case "ended": {
      const ended = event.value;
      facts.runId = ended.runId;
      if (!isAnswered(ended)) throw endingError(ended);
      return [...chunks.end(ended, receipt(turn, ended, facts.requestId)), "[DONE]"];
    }
    default:
      return [];
  }
}

/** What was said cannot be unsaid over HTTP; the answer is there for whoever asks again. */
function takenOver(turnId: string, { runId }: RunBegun): TurnEndedError {
  const message =
    `the run that was answering died and ${runId} took the turn ${turnId} over; ` +
    "what was streamed is void, ask again with the same Idempotency-Key for the answer";
  return new TurnEndedError("TAKEN_OVER", message, {
    metadata: { turn_id: turnId, run_id: runId },
  });
}
