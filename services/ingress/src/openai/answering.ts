import type { Exchange } from "../http/exchange.ts";
import type { OpenTurn } from "../turns/open-turn.ts";
import type { Leave } from "./leave.ts";
import type { ChatRequest } from "./parse-chat-request.ts";

/** An accepted turn and whom to tell what comes of it. */
export interface Answering {
  readonly exchange: Exchange;
  readonly chat: ChatRequest;
  readonly turn: OpenTurn;
  readonly leave: Leave;
}
