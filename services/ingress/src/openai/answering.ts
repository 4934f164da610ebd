import type { Exchange } from "../http/exchange.ts";
import type { OpenTurn } from "../turns/open-turn.ts";
import type { AnswerFormat } from "./answer-format.ts";
import type { Leave } from "./leave.ts";

/** An accepted turn and whom to tell what comes of it. */
export interface Answering {
  readonly exchange: Exchange;
  readonly turn: OpenTurn;
  readonly leave: Leave;
  readonly format: AnswerFormat;
  /** The caller wants to know while it waits. */
  readonly tellsQueue: boolean;
}
