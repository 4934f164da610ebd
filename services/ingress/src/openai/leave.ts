import type { ServerResponse } from "node:http";
import { Code, draining, RpcError } from "@lanekeeper/rpc";
import { waitExpired, waitsElsewhere } from "../turns/wait-expired.ts";

/**
 * Ends a request's attachment to its turn, never the turn: the client left, its wait is over, or the
 * process must end. A client that leaves before acceptance ends nothing until the turn is accepted,
 * so that a message which arrived whole is not lost.
 */
export class Leave {
  readonly #controller = new AbortController();
  readonly #left = new AbortController();
  #turnId: string | undefined;
  #hasLeft = false;

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** The client has left: before `signal` where the turn is not accepted. */
  get left(): AbortSignal {
    return this.#left.signal;
  }

  /** The turn was accepted; whoever has left meanwhile is let go. */
  accepted(turnId: string): void {
    this.#turnId = turnId;
    if (this.#hasLeft) this.#controller.abort(clientLeft());
  }

  clientLeft(): void {
    this.#hasLeft = true;
    this.#left.abort(clientLeft());
    if (this.#turnId !== undefined) this.#controller.abort(clientLeft());
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

/** Calls `leave` with what happens to the connection and the process. The result forgets about both. */
export function watchLeaving(leave: Leave, res: ServerResponse, lastCall: AbortSignal): () => void {
  const onClose = (): void => leave.clientLeft();
  const onLastCall = (): void => leave.drained();
  res.once("close", onClose);
  lastCall.addEventListener("abort", onLastCall, { once: true });
  if (lastCall.aborted) onLastCall();
  return () => {
    res.off("close", onClose);
    lastCall.removeEventListener("abort", onLastCall);
  };
}

function clientLeft(): RpcError {
  return new RpcError(Code.CANCELLED, "the client left");
}
