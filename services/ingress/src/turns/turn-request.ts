import type { SessionRef } from "@lanekeeper/protocol/lanekeeper/identity/v1/session";
import type { CallOptions, TracedWork } from "@lanekeeper/rpc";
import type { TurnAsk } from "./turn-ask.ts";
import type { UnsureRequest } from "./unsure-submissions.ts";

/** Who asks, in what words, and until when. */
export interface TurnRequest extends UnsureRequest {
  readonly ask: TurnAsk;
  /** What is left to find out about a request that is new, such as what it goes on from. */
  readonly completed: () => Promise<TurnAsk>;
  readonly fingerprint: Uint8Array;
  readonly requestId: string;
  /** Whose trace it is. */
  readonly within: TracedWork;
  /** Ends the attachment; the turn goes on. */
  readonly signal: AbortSignal;
  /** The caller has left; before `signal` where the turn has not been accepted. */
  readonly left: AbortSignal;
  /** Only the end of the turn is of interest, which brings the answer whole. */
  readonly wholeAnswer: boolean;
  /** Told the key under which the turn is about to be submitted, where the client sent none. */
  readonly submitting: (madeKey: string) => void;
  /** Told as soon as the name has led to a session, also where the turn is refused then. */
  readonly onSession: (session: SessionRef) => void;
}

type OptionsOfTurn = Omit<CallOptions, "signal" | "timeoutMs">;

/** Retries reach over a restart of a neighbour, about 6 s. */
const RETRY = { maxAttempts: 10 };

/** For calls that are made for it. */
export function callOptions({ caller, requestId, within }: TurnRequest): OptionsOfTurn {
  const { tenant, principal, scopes, agents, keyPrefixes } = caller;
  return { tenant, principal, scopes, agents, keyPrefixes, requestId, within, retry: RETRY };
}
