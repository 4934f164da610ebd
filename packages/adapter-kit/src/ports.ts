import type { EdgeCallOptions, EdgeClients } from "@lanekeeper/client";
import type { SessionRef } from "@lanekeeper/protocol/lanekeeper/identity/v1/session";
import type { MovedPlace } from "./event.ts";

/** A message to people that answers no turn. */
export interface Said {
  /** The same at a repeat of the event that it answers; 1..128 visible ASCII characters. */
  readonly requestId: string;
  readonly session: SessionRef;
  readonly routeId: string;
  readonly text: string;
}

/** What the kit calls. `createEdgeClients` gives all but `say`. */
export interface AdapterPorts {
  readonly identity: Pick<
    EdgeClients["identity"],
    "registerEquivalence" | "resolveSession" | "rotateSession"
  >;
  readonly runner: Pick<
    EdgeClients["runner"],
    "cancelTurn" | "findTurn" | "getLane" | "submitTurn"
  >;
  readonly delivery: Pick<EdgeClients["delivery"], "registerRoute">;
  /**
   * Leads replies for a conversation's old id to its new one. Left out: those that wait for the old one are not
   * delivered.
   */
  readonly move?: (moved: MovedPlace, call: EdgeCallOptions) => Promise<void>;
  /** Sends a command's answer to its place. Left out: the adapter does that with the outcome's text. */
  readonly say?: (said: Said, call: EdgeCallOptions) => Promise<void>;
}
