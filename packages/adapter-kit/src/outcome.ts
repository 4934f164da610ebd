import type { SessionRef } from "@lanekeeper/protocol/lanekeeper/identity/v1/session";
import type { Disposition } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import type { LanekeeperError } from "@lanekeeper/rpc";
import type { Command } from "./event.ts";

/** Where the replies of an accepted turn go. */
export interface RegisteredRoute {
  readonly routeId: string;
  /** For WEBHOOK, "whsec_…"; else empty. */
  readonly signingSecret: string;
}

/** What became of an event. All of them are acknowledged; what is not is thrown. */
export type Outcome =
  | {
      readonly kind: "turn";
      readonly turnId: string;
      readonly session: SessionRef | undefined;
      /** JOINED: the event came before. */
      readonly disposition: Disposition;
      /** Turns before it. */
      readonly position: number;
      /** Undefined where none was asked for, and at a repeat. */
      readonly route: RegisteredRoute | undefined;
    }
  | {
      readonly kind: "command";
      readonly command: Command;
      /** Undefined where the name has never been seen, and the answer is said nowhere. */
      readonly session: SessionRef | undefined;
      /** For the person. */
      readonly text: string;
      /** Whether `say` has taken it to the event's place. */
      readonly isSaid: boolean;
    }
  | { readonly kind: "same-peer" }
  | { readonly kind: "ignored"; readonly why: string }
  | {
      /** It will never pass: asking again is of no use. */
      readonly kind: "refused";
      readonly error: LanekeeperError;
      /** For the person; undefined where it is the operator who has to know. */
      readonly text: string | undefined;
      readonly isSaid: boolean;
    };
