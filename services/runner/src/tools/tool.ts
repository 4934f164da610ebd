import type { FilePart } from "@lanekeeper/protocol/lanekeeper/runner/v1/message";
import type { ToolSpec } from "../models/model.ts";

/** How much of its budget the context took when the model was last asked; estimates, in tokens. */
export interface ContextUse {
  usedTokens: number;
  readonly budgetTokens: number;
}

/** The turn on whose behalf a tool runs. */
export interface ToolContext {
  readonly tenant: string;
  readonly principal: string;
  readonly agentId: string;
  /** Undefined for a stateless turn. */
  readonly session:
    | { readonly sessionKey: string; readonly sessionId: string; readonly generation: bigint }
    | undefined;
  readonly turnId: string;
  readonly runId: string;
  /** Number of the tool step within the turn, from 1; the same when a later run repeats it. */
  readonly step: number;
  /** Session keys of the chain of nested sends that led here, outermost first, this one included. */
  readonly callChain: readonly string[];
  /** The turn of the request from outside that the turn comes of; its own, where it is one's. */
  readonly rootTurnId: string;
  /** As many nested turns as may come of a request from outside to the turn's agent. */
  readonly nestedTurnsPerRequest: number;
  readonly traceparent: string;
  readonly contextUse: ContextUse;
  readonly signal: AbortSignal;
}

/** What a tool answered; the text is what the model is shown. */
export interface ToolOutcome {
  readonly text: string;
  readonly isError: boolean;
  /** Made for whoever asked: they go with the turn's answer. */
  readonly files?: readonly FilePart[];
}

/** A tool of the agent's own. */
export interface Tool {
  readonly spec: ToolSpec;
  /**
   * The same call of the same turn and step has the effect of one: where a run died in it, the next one
   * makes it again, in place of being told that it was perhaps done.
   */
  readonly isRepeatable?: boolean;
  /** It ends by a time limit of its own, in place of the agent's. */
  readonly boundsItself?: boolean;
  /** `argumentsJson` is what the model wrote: it may be anything. A failure is an outcome, not an exception. */
  run(argumentsJson: string, context: ToolContext): Promise<ToolOutcome>;
}
