import { PassingSet, type Place } from "@lanekeeper/collections";
import type { ServerCall } from "../call/server-call.ts";
import { draining, later } from "../errors/constructors.ts";
import type { RpcError } from "../errors/rpc-error.ts";

/** How soon to try again where a server serves as many calls as it may. */
const OVERLOAD_RETRY_MS = 200;

/** The calls that a server is serving, from their acceptance until their handlers have returned. */
export class InFlight {
  readonly #limit: number;
  readonly #calls = new PassingSet<ServerCall>();
  #draining = false;
  #whenIdle: (() => void) | undefined;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get size(): number {
    return this.#calls.size;
  }

  /** @throws DRAINING or RATE_LIMITED when no further call is taken. */
  check(): void {
    if (this.#draining) throw draining();
    if (this.#calls.size < this.#limit) return;
    throw later(
      "RATE_LIMITED",
      `this replica serves ${this.#limit} calls at once, and no more`,
      OVERLOAD_RETRY_MS,
      { metadata: { limit: String(this.#limit) } },
    );
  }

  add(call: ServerCall): Place<ServerCall> {
    return this.#calls.add(call);
  }

  delete(place: Place<ServerCall>): void {
    this.#calls.delete(place);
    if (this.#calls.size === 0) this.#whenIdle?.();
  }

  /** From now on new calls are refused, and the streams are told to end. */
  startDraining(): void {
    this.#draining = true;
    for (const call of this.#calls.values()) {
      if (call.method.methodKind !== "unary") call.drain(draining());
    }
  }

  abortAll(reason: RpcError): void {
    for (const call of this.#calls.values()) call.abort(reason);
  }

  /** Resolves when no call is left. */
  idle(): Promise<void> {
    if (this.#calls.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#whenIdle = resolve;
    });
  }
}
