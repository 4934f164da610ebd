import type { MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import type {
  AwaitTurnResponseSchema,
  TurnEnded,
} from "@lanekeeper/protocol/lanekeeper/runner/v1/runner_service";
import { type CallContext, invalid } from "@lanekeeper/rpc";
import { isUnavailable } from "@lanekeeper/postgres";
import { linkedSignal } from "@lanekeeper/service";
import type { RunnerContext } from "../context.ts";
import { LIMITS } from "../limits.ts";
import type { AdmissionResult } from "../admission/admission-result.ts";
import { follow } from "../attaching/follow.ts";
import { accept, acceptedMessage } from "./accept.ts";
import { onLeft, takePlace } from "./attachment.ts";
import type { Handler } from "./handler.ts";
import { parseSpan } from "./parse-field.ts";
import { parseSubmit } from "./parse-submit.ts";

/**
 * Accepts a turn and waits for its end for a while. Who calls is attached meanwhile, as by AttachTurn; who is
 * told that the turn goes on has not left it; so is who waits while the database is away.
 */
export const awaitTurn: Handler<"awaitTurn"> = (context) => async (request, call) => {
  const { submit } = request;
  if (submit === undefined) throw invalid("submit", "is required");
  const waitMs = parseSpan("wait", request.wait, LIMITS.maxAwaitMs);
  if (waitMs === undefined) throw invalid("wait", "is required");
  using _place = takePlace(context, call);
  const result = await accept(context, parseSubmit(submit, call), true);
  return { accepted: acceptedMessage(result), ...(await outcome(context, result, waitMs, call)) };
};

/** Only what is not text is looked at. */
const WHOLE = { isPatient: true };

type Outcome = Pick<MessageInitShape<typeof AwaitTurnResponseSchema>, "ended" | "waited">;

async function outcome(
  context: RunnerContext,
  { turn }: AdmissionResult,
  waitMs: number,
  call: CallContext,
): Promise<Outcome> {
  const { clock } = context.deps;
  const acceptedMs = clock.monotonicMs();
  const leave = context.attachments.enter(turn);
  using linked = linkedSignal(call.signal);
  const timer = clock.setTimer(waitMs, () => linked.abort());
  let waitedMs: number | undefined;
  let ended: TurnEnded | undefined;
  try {
    for await (const { event } of follow(context.followParts, turn, 0n, linked.signal, WHOLE)) {
      if (event.case === "ended") ended = event.value;
      // A turn that is requeued begins again; it waited once.
      if (event.case === "runBegun") waitedMs ??= clock.monotonicMs() - acceptedMs;
    }
  } catch (error) {
    const isTimeOver = linked.signal.aborted && !call.signal.aborted;
    // The turn was accepted, and a refusal would not tell so.
    if (!isTimeOver && !isUnavailable(error)) throw error;
  } finally {
    timer.cancel();
    leave();
    if (ended === undefined) onLeft(context, turn, call);
  }
  const waited = waitedMs === undefined ? undefined : durationFromMs(Math.round(waitedMs));
  if (waited === undefined) return ended === undefined ? {} : { ended };
  return ended === undefined ? { waited } : { waited, ended };
}
