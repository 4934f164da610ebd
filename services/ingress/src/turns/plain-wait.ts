import { addSpanEvent } from "@lanekeeper/service";
import type { IngressMetrics, PlainWait } from "../metrics.ts";

/** What telling of a wait needs. */
export interface WaitsTold {
  readonly metrics: Pick<IngressMetrics, "plainWait">;
}

/**
 * Tells what became of a plain request's wait in the call that submitted its turn. One that goes on by a
 * stream is an event of the request's span; `turnId` is empty while nobody knows it.
 */
export function tellPlainWait({ metrics }: WaitsTold, wait: PlainWait, turnId = ""): void {
  metrics.plainWait(wait);
  if (wait === "ended" || wait === "left") return;
  addSpanEvent("turn left AwaitTurn for a stream", {
    "lanekeeper.wait": wait,
    ...(turnId === "" ? {} : { "lanekeeper.turn_id": turnId }),
  });
}
