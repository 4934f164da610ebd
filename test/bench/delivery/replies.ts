import { randomUUID } from "node:crypto";
import type { DeliveryClient, IdentityClient } from "@lanekeeper/client";
import { RouteKind } from "@lanekeeper/protocol/lanekeeper/delivery/v1/route";
import { closedLoop } from "./closed-loop.ts";
import type { Sizes } from "./sizes.ts";

/** A session with a route of its own. */
export interface Target {
  readonly routeId: string;
  readonly signingSecret: string;
  readonly path: string;
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
  { routes, enqueuing }: Sizes,
): Promise<readonly Target[]> {
  const targets: Target[] = [];
  await closedLoop(routes, enqueuing, async (n) => {
    const name = { case: "rawKey", value: `room-${n}` } as const;
    const { session } = await identity.resolveSession({ name });
    if (session?.ref === undefined) throw new Error("no session was made");
    const { sessionKey, sessionId, generation } = session.ref;
    const path = `/hooks/${n}`;
    const { route, signingSecret } = await delivery.registerRoute({
      sessionKey,
      kind: RouteKind.WEBHOOK,
      address: `${origin}${path}`,
    });
    if (route === undefined) throw new Error("no route was made");
    const shown = { sessionKey, sessionId, generation };
    targets[n] = { routeId: route.routeId, signingSecret, path, session: shown };
  });
  return targets;
}

/** Hands over every reply, route after route, so that each route has some that wait. */
export function enqueueAll(
  delivery: DeliveryClient,
  targets: readonly Target[],
  text: string,
  { messagesPerRoute, enqueuing }: Sizes,
): Promise<void> {
  return closedLoop(targets.length * messagesPerRoute, enqueuing, async (n) => {
    const target = targets[n % targets.length];
    if (target === undefined) throw new Error("no such route");
    const { routeId, session } = target;
    const turnId = randomUUID();
    const parts = [{ content: { case: "text", value: text } as const, mediaType: "text/plain" }];
    await delivery.enqueueDelivery({ routeId, session, requestId: `${turnId}/0`, turnId, parts });
  });
}
