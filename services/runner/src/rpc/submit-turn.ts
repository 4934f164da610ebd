import { accept, acceptedMessage } from "./accept.ts";
import type { Handler } from "./handler.ts";
import { parseSubmit } from "./parse-submit.ts";
import { isChildOutcome, submitChildOutcome } from "./submit-child-outcome.ts";

/** For callers that acknowledge and go. */
export const submitTurn: Handler<"submitTurn"> = (context) => async (request, call) =>
  acceptedMessage(
    isChildOutcome(call)
      ? await submitChildOutcome(context, request, call)
      : await accept(context, parseSubmit(request, call), false),
  );
