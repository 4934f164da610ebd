import type { Message } from "@lanekeeper/protocol/lanekeeper/runner/v1/message";
import { RunOutcome } from "@lanekeeper/protocol/lanekeeper/identity/v1/session";
import type { TurnStateName } from "./turn-state.ts";

/** The states that a run itself can bring its turn to: session-identity records each as an outcome. */
export const RUN_ENDINGS = {
  COMPLETED: RunOutcome.COMPLETED,
  FAILED: RunOutcome.FAILED,
  INTERRUPTED: RunOutcome.INTERRUPTED,
  CANCELLED: RunOutcome.CANCELLED,
} as const satisfies Partial<Record<TurnStateName, number>>;

export type RunEndingState = keyof typeof RUN_ENDINGS;

/** How a run ends its turn: what is stored as prepared before session-identity is told. */
export interface Ending {
  readonly state: RunEndingState;
  /** Empty for COMPLETED. */
  readonly errorReason: string;
  readonly errorMessage: string;
  /** The whole answer; COMPLETED alone has one. */
  readonly reply: Message | undefined;
  /** What goes into the transcript behind the input: the agent's messages and its tools' results. */
  readonly produced: readonly Message[];
  /** False only for a turn that is rolled back. */
  readonly keepsInput: boolean;
  /** Its seed goes into the transcript too. */
  readonly seeds: boolean;
  readonly inputTokens: bigint;
  readonly outputTokens: bigint;
  readonly finishReason: string;
  readonly model: string;
}

export function isRunEnding(state: TurnStateName): state is RunEndingState {
  return Object.hasOwn(RUN_ENDINGS, state);
}

/** An ending without an answer. */
export function endingWithoutReply(
  state: Exclude<RunEndingState, "COMPLETED">,
  error: { readonly reason: string; readonly message: string },
  options: { readonly keepsInput: boolean; readonly seeds: boolean },
): Ending {
  return {
    state,
    errorReason: error.reason,
    errorMessage: error.message,
    reply: undefined,
    produced: [],
    ...options,
    inputTokens: 0n,
    outputTokens: 0n,
    finishReason: "",
    model: "",
  };
}
