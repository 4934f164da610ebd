import { randomUUID } from "node:crypto";
import type { EnqueueDeliveryRequest } from "@lanekeeper/protocol/lanekeeper/delivery/v1/delivery_service";
import { LanekeeperError, storeUnavailable } from "@lanekeeper/rpc";
import type { Delivery } from "../running/deps.ts";

/** delivery's door: takes each request id once. */
export class DeliveryStandIn implements Delivery {
  isDown = false;
  /** Routes that it refuses for good. */
  readonly unknownRoutes = new Set<string>();
  /** First acceptances, in order. */
  readonly taken: { readonly requestId: string; readonly turnId: string; readonly text: string }[] =
    [];

  enqueueDelivery: Delivery["enqueueDelivery"] = async (init) => {
    const request = init as EnqueueDeliveryRequest;
    if (this.isDown) throw storeUnavailable("the stand-in is down");
    if (this.unknownRoutes.has(request.routeId)) {
      throw new LanekeeperError("NOT_FOUND", `no route named ${request.routeId}`);
    }
    const { requestId, turnId } = request;
    if (!this.taken.some((before) => before.requestId === requestId)) {
      const text = request.parts.map(({ content }) => String(content?.value ?? "")).join("");
      this.taken.push({ requestId, turnId, text });
    }
    return {
      $typeName: "lanekeeper.delivery.v1.EnqueueDeliveryResponse",
      deliveryId: randomUUID(),
      routeSeq: BigInt(this.taken.length),
    };
  };
}
