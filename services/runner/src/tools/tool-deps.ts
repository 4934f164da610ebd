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
}

/** What became of it. */
export interface SessionMessageOutcome {
  readonly sessionKey: string;
  readonly sessionId: string;
  readonly turnId: string;
  /** The reply's text; undefined where the sender did not wait. */
  readonly reply: string | undefined;
}

/** What built-in tools need of the runner. */
export interface ToolDeps {
  /**
   * Admits a turn into the lane of another session.
   * @throws LanekeeperError WOULD_DEADLOCK, HOP_LIMIT, the reasons of a key that is refused, and,
   * where the sender waits, the reason that the turn failed with.
   */
  readonly sendToSession: (message: SessionMessage) => Promise<SessionMessageOutcome>;
}
