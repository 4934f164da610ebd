import type { Fence, Session } from "@lanekeeper/protocol/lanekeeper/identity/v1/session";

/** A key that a run was granted. */
export interface Grant {
  /** Another one once the run itself has rotated the session, by compaction. */
  fence: Fence;
  readonly session: Session | undefined;
  /** This call rolled the session over. */
  readonly rolledOver: boolean;
  /** The model that is asked, as session-identity was told; empty: not known yet. */
  readonly model: string;
  /** When the lease ends, on this process' monotonic clock, unless it is renewed. */
  readonly leaseUntilMs: number;
}
