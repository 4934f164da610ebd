import type { ServerResponse } from "node:http";
import { later } from "@lanekeeper/rpc";

/** Bounds the requests in progress: pipelining puts any number of them on one connection. */
export class RequestGate {
  readonly #maxInFlight: number;
  #inFlight = 0;

  constructor(maxInFlight: number) {
    this.#maxInFlight = maxInFlight;
  }

  /** Counts a request until its answer is over. */
  enter(res: ServerResponse): void {
    this.#inFlight += 1;
    res.once("close", () => {
      this.#inFlight -= 1;
    });
  }

  /** @throws RATE_LIMITED */
  check(): void {
    if (this.#inFlight <= this.#maxInFlight) return;
    throw later("RATE_LIMITED", "too many requests are in progress here; ask again", 1_000);
  }
}
