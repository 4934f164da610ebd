import type { ToolSpec } from "../models/model.ts";

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
  readonly traceparent: string;
  readonly signal: AbortSignal;
}

/** What a tool answered; the text is what the model is shown. */
export interface ToolOutcome {
  readonly text: string;
  readonly isError: boolean;
}

/** A tool of the agent's own. */
export interface Tool {
  readonly spec: ToolSpec;
  /** `argumentsJson` is what the model wrote: it may be anything. A failure is an outcome, not an exception. */
  run(argumentsJson: string, context: ToolContext): Promise<ToolOutcome>;
}
