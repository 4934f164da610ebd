import type { Caller, TracedWork } from "@lanekeeper/rpc";

/** Who asks. */
export interface Asker {
  readonly caller: Caller;
  readonly requestId: string;
  readonly within: TracedWork;
}
