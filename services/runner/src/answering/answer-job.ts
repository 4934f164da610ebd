import type { AgentConfig } from "@lanekeeper/protocol/lanekeeper/runner/v1/agent";
import type { Message } from "@lanekeeper/protocol/lanekeeper/runner/v1/message";
import type { Model } from "../models/model.ts";
import type { StoredTurn } from "../store/turn-row.ts";
import type { ContextUse, Tool } from "../tools/tool.ts";
import type { Steer } from "../store/answering/steer.ts";
import type { ToolSteps } from "./tool-steps.ts";
import type { TurnStream } from "../attaching/turn-stream.ts";

/** All that answering a turn needs. */
export interface AnswerJob {
  readonly turn: StoredTurn;
  readonly agent: AgentConfig;
  readonly model: Model;
  readonly tools: readonly Tool[];
  /** What was said before the turn. */
  readonly history: readonly Message[];
  /** Of what came before `history`; empty: nothing. */
  readonly summary: string;
  /** What the agent pinned. */
  readonly pinned: readonly string[];
  /** Told to the agent's own tools. */
  readonly contextUse: ContextUse;
  /** Spent before the model is asked for an answer. */
  readonly spent: { readonly inputTokens: number; readonly outputTokens: number };
  readonly seeds: boolean;
  readonly steps: ToolSteps;
  /**
   * What was said to the turn while it runs and has not been read, which is read after this step of its tools
   * now; `read`: what its earlier runs have read.
   */
  readonly steers: (
    when: "read" | "first" | "later",
    lastStep: number,
  ) => Promise<readonly Steer[]>;
  readonly stream: TurnStream;
  readonly signal: AbortSignal;
}
