import { randomUUID } from "node:crypto";
import type { DeliveryClient, IdentityClient } from "@lanekeeper/client";
import { RouteKind } from "@lanekeeper/protocol/lanekeeper/delivery/v1/route";
import { closedLoop } from "./closed-loop.ts";
import { SIZES } from "./sizes.ts";

/** A session with a route of its own. */
export interface Target {
  readonly routeId: string;
  readonly session: {
    readonly sessionKey: string;
    readonly sessionId: string;
    readonly generation: bigint;
  };
}

export async function makeTargets(
  identity: IdentityClient,
  delivery: DeliveryClient,
  origin: string,
): Promise<readonly Target[]> {
  const targets: Target[] = [];
  await closedLoop(SIZES.routes, SIZES.enqueuing, async (n) => {
    const name = { case: "rawKey", value: `room-${n}` } as const;
    const { session } = await identity.resolveSession({ name });
    if (session?.ref === undefined) throw new Error("no session was made");
    const { sessionKey, sessionId, generation } = session.ref;
    const address = `${origin}/hooks/${n}`;
    const { route } = await delivery.registerRoute({
      sessionKey,
      kind: RouteKind.WEBHOOK,
      address,
    });
    if (route === undefined) throw new Error("no route was made");
    targets[n] = { routeId: route.routeId, session: { sessionKey, sessionId, generation } };
  });
  return targets;
}

/** Hands over every reply, route after route, so that each route has some that wait. */
export function enqueueAll(delivery: DeliveryClient, targets: readonly Target[], text: string) {
  const total = targets.length * SIZES.messagesPerRoute;
  return closedLoop(total, SIZES.enqueuing, async (n) => {
    const target = targets[n % targets.length];
    if (target === undefined) throw new Error("no such route");
    const turnId = randomUUID();
    const parts = [{ content: { case: "text", value: text } as const, mediaType: "text/plain" }];
    await delivery.enqueueDelivery({ ...target, requestId: `${turnId}/0`, turnId, parts });
  });
}
