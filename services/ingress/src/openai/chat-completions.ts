import type { IngressContext } from "../context.ts";
import type { Route } from "../http/routes.ts";
import { chatFormat } from "./chat-format.ts";
import { type ChatRequest, parseChatRequest } from "./parse-chat-request.ts";
import { type TurnDoor, turnRoute } from "./turn-door.ts";

/** `POST /v1/chat/completions`: https://platform.openai.com/docs/api-reference/chat/create */
export function chatCompletionsRoute(context: IngressContext): Route {
  const door: TurnDoor<ChatRequest> = {
    path: "/v1/chat/completions",
    messagesField: "messages",
    parse: ({ headers }, body, rawKey) => parseChatRequest(headers, body, rawKey, context.limits),
    format: ({ facts }, chat, { turnId }) =>
      chatFormat(chat, { turnId, now: context.clock.now() }, facts),
  };
  return turnRoute(context, door);
}
