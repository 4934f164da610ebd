import { TurnState } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { linkedSignal } from "@lanekeeper/service";
import type { IngressContext } from "../../context.ts";
import type { Exchange } from "../../http/exchange.ts";
import { attachTurn } from "../../turns/attach-turn.ts";
import { answerResponse, askerOf } from "./get-response.ts";
import type { Asker } from "../asker.ts";
import { readResponse, type StoredResponse } from "./stored-response.ts";

/**
 * `POST /v1/responses/{id}/cancel`: ends the turn, and tells the response as it stands then. Of one
 * that has ended already it changes nothing.
 */
export async function cancelResponse(
  context: IngressContext,
  exchange: Exchange,
  id: string,
): Promise<void> {
  const asker = await askerOf(context, exchange);
  const stored = await readResponse(context, asker, id);
  const cancelled = isOpen(stored) ? await cancel(context, asker, stored, id) : stored;
  answerResponse(exchange, cancelled);
}

async function cancel(
  context: IngressContext,
  asker: Asker,
  { turn: { turnId } }: StoredResponse,
  id: string,
): Promise<StoredResponse> {
  const { caller, requestId, within } = asker;
  const call = { ...caller, requestId, within };
  const note = "the caller cancelled it";
  await context.runner.cancelTurn({ turnId, note }, call);
  const stored = await readResponse(context, asker, id);
  if (!isOpen(stored)) return stored;
  // The run that holds it may be of another replica, and is told to end.
  await untilEnded(context, call, turnId);
  return readResponse(context, asker, id);
}

/** For a while: a run that does not end is told about as it stands. */
async function untilEnded(
  context: IngressContext,
  call: Asker["caller"] & Omit<Asker, "caller">,
  turnId: string,
): Promise<void> {
  const { clock, limits, lastCall } = context;
  using linked = linkedSignal(lastCall);
  const { signal } = linked;
  const timer = clock.setTimer(limits.cancelWaitMs, () => linked.abort());
  try {
    for await (const _ of attachTurn(
      context,
      { case: "turnId", value: turnId },
      { ...call, signal, wholeAnswer: true },
    ));
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    timer.cancel();
  }
}

function isOpen({ turn: { state } }: StoredResponse): boolean {
  return state === TurnState.QUEUED || state === TurnState.ACTIVE;
}
