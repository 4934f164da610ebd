import type { FilePart } from "@lanekeeper/protocol/lanekeeper/runner/v1/message";
import type { OnConflict } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import type { FoundMemory, MemoryScope, NewMemory } from "../store/answering/memories.ts";
import type { ToolContext } from "./tool.ts";

/** A message from one session into another. */
export interface SessionMessage {
  /** The turn that sends. */
  readonly from: ToolContext;
  /** A raw or canonical key, of any agent of the tenant. */
  readonly key: string;
  /** The agent, where the key is raw and not of the sender's own. */
  readonly agentId: string | undefined;
  readonly text: string;
  /** Whether the sender waits for the reply. */
  readonly wait: boolean;
  /** What to do when the other lane is busy. */
  readonly onConflict: OnConflict;
}

/** A task for a session of its own. */
export interface SubagentTask {
  /** The turn that sends. */
  readonly from: ToolContext;
  /** The agent, where it is not the sender's own. */
  readonly agentId: string | undefined;
  readonly text: string;
  /** Whether the sender waits for the reply; else it comes as a turn of its session. */
  readonly wait: boolean;
}

/** What became of it. */
export interface SessionMessageOutcome {
  readonly sessionKey: string;
  readonly sessionId: string;
  readonly turnId: string;
  /** The reply's text; undefined where the sender did not wait. */
  readonly reply: string | undefined;
  /** The reply's files. */
  readonly files?: readonly FilePart[];
}

/** What agents keep beyond their conversations. */
export interface Memory {
  /** False: the agent has as many as it may. `from`: the turn that remembers. */
  save(memory: NewMemory, from?: Pick<ToolContext, "traceparent">): Promise<boolean>;
  search(scope: MemoryScope, query: string, limit: number): Promise<readonly FoundMemory[]>;
}

/** What built-in tools need of the runner. */
export interface ToolDeps {
  /**
   * Admits a turn into the lane of another session.
   * @throws LanekeeperError WOULD_DEADLOCK, HOP_LIMIT, the reasons of a key that is refused, and,
   * where the sender waits, the reason that the turn failed with.
   */
  readonly sendToSession: (message: SessionMessage) => Promise<SessionMessageOutcome>;
  /**
   * Gives a task to an agent in a new session.
   * @throws LanekeeperError HOP_LIMIT, UNKNOWN_MODEL, INVALID_REQUEST where nobody could be told of the
   * result, and, where the sender waits, WAIT_EXPIRED and the reason that the turn failed with.
   */
  readonly spawn: (task: SubagentTask) => Promise<SessionMessageOutcome>;
  readonly memory: Memory;
}
