import type { IngressContext } from "../../context.ts";
import type { Route } from "../../http/routes.ts";
import { type TurnDoor, turnRoute } from "../turn-door.ts";
import { cancelResponse } from "./cancel-response.ts";
import { getResponse } from "./get-response.ts";
import { parseResponseRequest, type ResponseRequest } from "./parse-response-request.ts";
import { goOnFromPrevious } from "./previous.ts";
import { refuseUnknownItem, withReferredItems } from "./referred-items.ts";
import { responseFormat } from "./response-format.ts";
import { RESPONSE_ID_PREFIX } from "./response-id.ts";

/** The Responses API: https://platform.openai.com/docs/api-reference/responses */
export function responseRoutes(context: IngressContext): Route[] {
  return [
    turnRoute(context, responseDoor(context)),
    {
      method: "GET",
      path: "/v1/responses/{id}",
      idPrefix: RESPONSE_ID_PREFIX,
      handle: (exchange) => getResponse(context, exchange),
    },
    {
      method: "POST",
      path: "/v1/responses/{id}/cancel",
      idPrefix: RESPONSE_ID_PREFIX,
      handle: (exchange) => cancelResponse(context, exchange, exchange.rest),
    },
  ];
}

function responseDoor(context: IngressContext): TurnDoor<ResponseRequest> {
  return {
    path: "/v1/responses",
    messagesField: "input",
    prepare: (asker, body) => withReferredItems(context, asker, body),
    parse: ({ headers }, body, rawKey) =>
      parseResponseRequest(headers, body, rawKey, context.limits),
    complete: async (asker, ask) => {
      refuseUnknownItem(ask.unknownItem);
      return goOnFromPrevious(context, asker, ask);
    },
    format: ({ facts }, ask, turn) => responseFormat(context, ask, turn, facts),
  };
}
