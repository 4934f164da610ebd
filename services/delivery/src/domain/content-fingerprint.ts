import { createHash } from "node:crypto";
import { create, toBinary } from "@bufbuild/protobuf";
import {
  type EnqueueDeliveryRequest,
  EnqueueDeliveryRequestSchema,
} from "@lanekeeper/protocol/lanekeeper/delivery/v1/delivery_service";

/**
 * SHA-256 of what is sent, for whom and where. Without expire_time: a caller that counts it from now
 * gives another one at each retry of the same reply.
 */
export function contentFingerprint(request: EnqueueDeliveryRequest): Buffer {
  const { session, turnId, routeId, parts } = request;
  const content = create(EnqueueDeliveryRequestSchema, {
    turnId,
    routeId,
    parts,
    ...(session === undefined ? {} : { session }),
  });
  return createHash("sha256").update(toBinary(EnqueueDeliveryRequestSchema, content)).digest();
}
