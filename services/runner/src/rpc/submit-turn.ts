import { accept, acceptedMessage } from "./accept.ts";
import type { Handler } from "./handler.ts";
import { parseSubmit } from "./parse-submit.ts";

/** For callers that acknowledge and go. */
export const submitTurn: Handler<"submitTurn"> = (context) => async (request, call) =>
  acceptedMessage(await accept(context, parseSubmit(request, call), false));
