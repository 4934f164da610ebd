import type { DeliveryClient } from "@lanekeeper/client";
import { DeliveryState } from "@lanekeeper/protocol/lanekeeper/delivery/v1/delivery";
import { RouteKind } from "@lanekeeper/protocol/lanekeeper/delivery/v1/route";
import { eventually } from "@lanekeeper/testing";

export const SESSION_KEY = "agent:main:room";
export const SESSION_ID = "01900000-0000-7000-8000-000000000001";

/** A webhook route to this URL, and its secret. */
export async function registerWebhook(
  client: Pick<DeliveryClient, "registerRoute">,
  address: string,
): Promise<{ readonly routeId: string; readonly secret: string }> {
  const { route, signingSecret } = await client.registerRoute({
    sessionKey: SESSION_KEY,
    kind: RouteKind.WEBHOOK,
    address,
  });
  return { routeId: route?.routeId ?? "", secret: signingSecret };
}

/** A reply with this text, by the request id `<turn>/1`. */
export function reply(routeId: string, turn: string, text = turn) {
  return {
    requestId: `${turn}/1`,
    session: { sessionKey: SESSION_KEY, sessionId: SESSION_ID, generation: 1n },
    turnId: turn,
    routeId,
    parts: [{ content: { case: "text", value: text } as const }],
  };
}

/** Waits until a delivery stands so. */
export function untilState(
  client: Pick<DeliveryClient, "getDelivery">,
  deliveryId: string,
  state: Exclude<keyof typeof DeliveryState, "UNSPECIFIED">,
) {
  const found = async () => {
    const { delivery } = await client.getDelivery({ deliveryId });
    return delivery?.state === DeliveryState[state] && delivery;
  };
  return eventually(found, { what: `delivery ${deliveryId} is ${state}` });
}
