import type { ServerResponse } from "node:http";
import { Code, draining, RpcError } from "@lanekeeper/rpc";
import { waitExpired, waitsElsewhere } from "../turns/wait-expired.ts";

/** Who is to know that a client has left before it was told everything. */
export interface WhoIsTold {
  /** As soon as it has left and the key is there: before there is a turn, if that takes longer. */
  ofSubmission(madeKey: string): void;
  /** As soon as it has left and the turn is there. */
  ofTurn(turnId: string): void;
}

/**
 * Ends a request's attachment to its turn, never the turn: the client left, its wait is over, or the
 * process must end. A client that leaves before acceptance ends nothing until the turn is accepted,
 * so that a message which arrived whole is not lost.
 */
export class Leave {
  readonly #controller = new AbortController();
  readonly #left = new AbortController();
  readonly #told: WhoIsTold;
  #madeKey: string | undefined;
  #turnId: string | undefined;
  #hasLeft = false;

  constructor(told: WhoIsTold) {
    this.#told = told;
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** The client has left: before `signal` where the turn is not accepted. */
  get left(): AbortSignal {
    return this.#left.signal;
  }

  /** The turn is about to be submitted under a key that was made for it. */
  submitting(madeKey: string): void {
    this.#madeKey = madeKey;
    if (this.#hasLeft) this.#told.ofSubmission(madeKey);
  }

  /** The turn was accepted; whoever has left meanwhile is let go. */
  accepted(turnId: string): void {
    this.#turnId = turnId;
    if (this.#hasLeft) this.#letGo(turnId);
  }

  clientLeft(): void {
    this.#hasLeft = true;
    this.#left.abort(clientLeft());
    if (this.#madeKey !== undefined) this.#told.ofSubmission(this.#madeKey);
    if (this.#turnId !== undefined) this.#letGo(this.#turnId);
  }

  #letGo(turnId: string): void {
    this.#controller.abort(clientLeft());
    this.#told.ofTurn(turnId);
  }

  /** The process ends: whoever waits for a turn may join it elsewhere. */
  drained(): void {
    const turnId = this.#turnId;
    this.#controller.abort(turnId === undefined ? draining() : waitsElsewhere(turnId));
  }

  /** A plain request has waited for as long as it may. */
  waited(ms: number): void {
    const what = `no answer within ${Math.round(ms / 1_000)} s`;
    this.#controller.abort(waitExpired(this.#turnId ?? "", what));
  }
}

/**
 * Calls `leave` with what happens to the connection and the process. The result forgets about the process: who
 * hangs up while the last of the answer is on its way has not been told it.
 */
export function watchLeaving(leave: Leave, res: ServerResponse, lastCall: AbortSignal): () => void {
  const onClose = (): void => {
    if (!res.writableFinished) leave.clientLeft();
  };
  const onLastCall = (): void => leave.drained();
  res.once("close", onClose);
  lastCall.addEventListener("abort", onLastCall, { once: true });
  if (res.closed) onClose();
  if (lastCall.aborted) onLastCall();
  return () => lastCall.removeEventListener("abort", onLastCall);
}

function clientLeft(): RpcError {
  return new RpcError(Code.CANCELLED, "the client left");
}
