import type { TurnEnded } from "@lanekeeper/protocol/lanekeeper/runner/v1/runner_service";
import { LanekeeperError } from "@lanekeeper/rpc";
import type { IngressContext } from "../context.ts";
import { sendJson } from "../http/exchange.ts";
import { endingError, isAnswered } from "../turns/outcome.ts";
import { queueWaitTimer } from "../turns/queue-wait.ts";
import type { Answering } from "./answering.ts";
import { receipt } from "./receipt.ts";

/**
 * Waits for the turn's end and answers in one piece.
 * @throws WAIT_EXPIRED, and why the turn has no answer
 */
export async function plainAnswer(context: IngressContext, answering: Answering): Promise<void> {
  const { exchange, turn, leave, format } = answering;
  const { clock, limits } = context;
  const timer = clock.setTimer(limits.plainWaitMs, () => leave.waited(limits.plainWaitMs));
  try {
    const ended = await untilEnded(context, answering);
    exchange.facts.runId = ended.runId;
    if (!isAnswered(ended)) throw endingError(ended);
    const lanekeeper = receipt(turn, ended, exchange.facts.requestId);
    sendJson(exchange.res, 200, format.whole(ended, lanekeeper));
  } finally {
    timer.cancel();
  }
}

async function untilEnded(
  context: IngressContext,
  { turn, exchange }: Answering,
): Promise<TurnEnded> {
  const began = queueWaitTimer(context, turn);
  for await (const event of turn.events) {
    if (event.case === "runBegun") began();
    if (event.case === "runBegun") exchange.facts.runId = event.value.runId;
    if (event.case === "ended") return event.value;
  }
  throw new LanekeeperError("INTERNAL", "the turn's events ended before the turn");
}
