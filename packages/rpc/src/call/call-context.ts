import type { ServerResponse } from "node:http";
import type { DescMethod } from "@bufbuild/protobuf";
import type { Peer } from "../auth/peer.ts";
import type { Caller } from "../metadata/caller.ts";

/** One call as its handler sees it, over whichever transport it came. */
export interface CallContext extends Caller {
  /** Who is at the other end of the connection, as authenticated. */
  readonly peer: Peer;
  /** The label of x-request-id, minted if none came. For people and logs; never dedupes. */
  readonly requestId: string;
  /**
   * Aborted when the caller cancels or hangs up, when the deadline passes, and, for streams, when
   * the server drains. Its reason is the RpcError that the caller gets.
   */
  readonly signal: AbortSignal;
  /** What the signal says, for whoever only looks now and then: the signal itself costs more. */
  readonly abortState: Pick<AbortSignal, "aborted" | "reason">;
  /** When the caller stops waiting; undefined: it does not say. */
  readonly deadline: Date | undefined;
  /** W3C trace context of this call's own span, to be stored or passed on. */
  readonly traceparent: string | undefined;
  readonly tracestate: string | undefined;
  readonly method: DescMethod;
  /** The HTTP answer of a call that came over Connect, for headers of one's own. Absent elsewhere. */
  readonly httpAnswer?: ServerResponse | undefined;
  /**
   * For a stream that has work to finish when the server drains: it is told by `finish` instead of
   * being aborted, and must end by itself within the drain's bound. Absent where nothing drains.
   */
  onDrain?(finish: () => void): void;
}

/** Whether a call acts for an outside credential; a service that acts for itself shows no scopes. */
export function isOutside({ peer, scopes }: Pick<CallContext, "peer" | "scopes">): boolean {
  return peer.kind === "caller" || scopes.length > 0;
}

/** The fully qualified name of a method: `lanekeeper.identity.v1.SessionIdentityService/GetSession`. */
export function methodName(method: DescMethod): string {
  return `${method.parent.typeName}/${method.name}`;
}

/** Milliseconds until the call's deadline, at least 0; undefined where it has none. */
export function remainingMs(call: Pick<CallContext, "deadline">): number | undefined {
  return call.deadline === undefined
    ? undefined
    : Math.max(0, call.deadline.getTime() - Date.now());
}
