import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { SessionRefSchema } from "@lanekeeper/protocol/lanekeeper/identity/v1/session";
import type { IngressService } from "@lanekeeper/protocol/lanekeeper/ingress/v1/ingress_service";
import type {
  RunnerService,
  SubmitTurnResponseSchema,
} from "@lanekeeper/protocol/lanekeeper/runner/v1/runner_service";
import { Disposition } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import type { CallContext, Routes } from "@lanekeeper/rpc";
import { setReceiptHeaders } from "../openai/receipt.ts";
import { dispositionWord } from "../turns/disposition.ts";

/**
 * SubmitTurn over Connect has the receipt's headers, as at any other door to a lane. AttachTurn is a
 * stream, whose headers go out before anything is decided: its first message tells.
 */
export function tellSubmitted(routes: Routes<typeof RunnerService>): Routes<typeof RunnerService> {
  return {
    ...routes,
    submitTurn: async (request, call) => {
      const accepted = await routes.submitTurn(request, call);
      tell(call, accepted);
      return accepted;
    },
  };
}

/** A schedule that is run by hand enters its lane too. */
export function tellRun(routes: Routes<typeof IngressService>): Routes<typeof IngressService> {
  return {
    ...routes,
    runSchedule: async (request, call) => {
      const accepted = await routes.runSchedule(request, call);
      tell(call, accepted);
      return accepted;
    },
  };
}

type Accepted = Pick<
  MessageInitShape<typeof SubmitTurnResponseSchema>,
  "turnId" | "disposition" | "position" | "session"
>;

function tell(
  { httpAnswer: res }: CallContext,
  { turnId = "", disposition, position = 0, session }: Accepted,
): void {
  if (res === undefined || res.headersSent) return;
  setReceiptHeaders(res, {
    turnId,
    disposition: dispositionWord(disposition ?? Disposition.UNSPECIFIED),
    position,
    session: session === undefined ? undefined : create(SessionRefSchema, session),
  });
}
