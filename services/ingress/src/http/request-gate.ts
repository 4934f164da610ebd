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
    const limit = String(this.#maxInFlight);
    const message = `${limit} requests are in progress here, as many as may be; ask again`;
    throw later("RATE_LIMITED", message, 1_000, { metadata: { limit } });
  }
}
