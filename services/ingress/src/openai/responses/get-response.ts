import { invalid } from "@lanekeeper/rpc";
import type { IngressContext } from "../../context.ts";
import { requireScope } from "../../credentials/scopes.ts";
import { admit } from "../../http/admit.ts";
import { type Exchange, sendJson } from "../../http/exchange.ts";
import { setReceiptHeaders } from "../receipt.ts";
import { showResponse } from "./show-response.ts";
import type { Asker } from "../asker.ts";
import { acceptedOf, readResponse, type StoredResponse } from "./stored-response.ts";

/** `GET /v1/responses/{id}`: a response as it stands now. */
export async function getResponse(context: IngressContext, exchange: Exchange): Promise<void> {
  const asker = await askerOf(context, exchange);
  refuseStreams(exchange);
  const stored = await readResponse(context, asker, exchange.rest);
  answerResponse(exchange, stored);
}

/** Whose response it is: that of the credential that asked for it. */
export async function askerOf(context: IngressContext, exchange: Exchange): Promise<Asker> {
  const caller = await admit(context, exchange);
  requireScope(caller, "chat");
  return { caller, requestId: exchange.facts.requestId, within: exchange.facts };
}

/** Tells a stored response, with the receipt of its turn. */
export function answerResponse({ res, facts }: Exchange, stored: StoredResponse): void {
  const accepted = acceptedOf(stored);
  if (accepted.session !== undefined) facts.session = accepted.session;
  facts.disposition = accepted.disposition;
  setReceiptHeaders(res, accepted);
  sendJson(res, 200, showResponse(stored, facts.requestId));
}

/** Answered in one piece instead, a client would wait for events that never come. */
function refuseStreams({ req }: Exchange): void {
  const query = new URLSearchParams(req.url?.split("?", 2)[1] ?? "");
  if (query.has("starting_after")) {
    throw invalid("starting_after", "is not offered; ask for the response as it stands");
  }
  if (query.has("stream") && query.get("stream") !== "false") {
    throw invalid("stream", "is not offered here; ask for the response as it stands");
  }
}
