import type { IngressContext } from "../../context.ts";
import type { OpenTurn } from "../../turns/open-turn.ts";
import type { AnswerFormat } from "../answer-format.ts";
import type { ErrorScene } from "../errors.ts";
import { acceptedReceipt } from "../receipt.ts";
import type { ResponseRequest } from "./parse-response-request.ts";
import { ResponseEvents } from "./response-events.ts";
import { answeredResponse, type ResponseHead } from "./response-json.ts";

/** Writes the answer of a turn as a response. */
export function responseFormat(
  { clock }: Pick<IngressContext, "clock">,
  ask: ResponseRequest,
  turn: OpenTurn,
  scene: ErrorScene,
): AnswerFormat {
  const { turnId, session } = turn;
  const { model, parameters } = ask;
  const conversation = session === undefined ? undefined : (ask.rawKey ?? session.sessionKey);
  const head: ResponseHead = { turnId, model, conversation, parameters };
  const nowS = (): number => Math.floor(clock.now().getTime() / 1_000);
  return {
    whole: (ended, receipt) => answeredResponse(head, ended, receipt, nowS()),
    stream: () =>
      new ResponseEvents(head, {
        requestId: scene.requestId,
        turnId,
        // A turn that is joined may wait still.
        isQueued: turn.disposition === "queued" || turn.position > 0,
        accepted: acceptedReceipt(turn, scene.requestId),
        nowS,
      }),
  };
}
