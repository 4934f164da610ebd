import type { DeliveryClient } from "@lanekeeper/client";
import { RouteKind } from "@lanekeeper/protocol/lanekeeper/delivery/v1/route";
import { systemIds } from "@lanekeeper/service";
import { afterAll, beforeAll, expect, test } from "vitest";
import { IdentityStandIn } from "../testing/identity-stand-in.ts";
import { SESSION_ID } from "../testing/replies.ts";
import { QUICK, SECRET, startTestDelivery, type TestDelivery } from "../testing/test-delivery.ts";
import { startTestSchemas, type TestSchemas } from "../testing/test-schemas.ts";

let schemas: TestSchemas;
let identity: IdentityStandIn;
let delivery: TestDelivery;
let runner: DeliveryClient;

beforeAll(async () => {
  schemas = await startTestSchemas();
  identity = new IdentityStandIn(SECRET);
  await identity.start();
  delivery = await startTestDelivery(await schemas.open(), identity, { limits: QUICK });
  runner = delivery.as("runner", systemIds.uuid());
});
afterAll(async () => {
  runner?.$close();
  await delivery?.[Symbol.asyncDispose]();
  await identity?.[Symbol.asyncDispose]();
  await schemas?.[Symbol.asyncDispose]();
});

const [OWN, OTHER, AGENTS] = ["agent:main:crm:1", "agent:main:web:1", "agent:work:crm:1"] as const;

/** A refusal that says which list of the credential keeps it out. */
const DENIED = /^PERMISSION_DENIED by (agent_ids|session_key_prefixes)$/;

async function outcome(work: Promise<unknown>): Promise<string | undefined> {
  return work.then(
    () => "OK",
    (error: { reason?: string; metadata?: Readonly<Record<string, string>> }) =>
      [error.reason, error.metadata?.["bound_by"]].filter(Boolean).join(" by "),
  );
}

test("a bound credential reaches the routes and replies of its keys, and is told of no other", async () => {
  const made = new Map<string, { readonly routeId: string; readonly deliveryId: string }>();
  for (const sessionKey of [OWN, OTHER, AGENTS]) {
    const address = "https://hooks.example/a";
    const { route } = await runner.registerRoute({ sessionKey, kind: RouteKind.WEBHOOK, address });
    const routeId = route?.routeId ?? "";
    const { deliveryId } = await runner.enqueueDelivery({
      requestId: `${sessionKey}/1`,
      session: { sessionKey, sessionId: SESSION_ID, generation: 1n },
      turnId: sessionKey.replaceAll(":", "-"),
      routeId,
      parts: [{ content: { case: "text", value: "hi" } as const }],
    });
    made.set(sessionKey, { routeId, deliveryId });
  }
  const cases = [
    [{ agents: ["work"] }, [AGENTS]],
    [{ keyPrefixes: ["agent:main:crm:", "agent:work:"] }, [OWN, AGENTS]],
    [{ agents: ["main"], keyPrefixes: ["agent:main:crm:", "agent:work:"] }, [OWN]],
    [{}, [OWN, OTHER, AGENTS]],
  ] as const;
  for (const [narrow, keys] of cases) {
    const bounds = { scopes: ["operator"], ...narrow };
    const { deliveries } = await runner.listDeliveries({}, bounds);
    const told = new Set(deliveries.map(({ session }) => session?.sessionKey));
    expect(told).toEqual(new Set(keys));
    for (const [sessionKey, { routeId, deliveryId }] of made) {
      const isWithin = (keys as readonly string[]).includes(sessionKey);
      const denied = isWithin ? "OK" : expect.stringMatching(DENIED);
      const hidden = isWithin ? "OK" : "NOT_FOUND";
      expect([
        ...[sessionKey, await outcome(runner.listRoutes({ sessionKey }, bounds))],
        await outcome(runner.listDeliveries({ sessionKey }, bounds)),
        await outcome(runner.getDelivery({ deliveryId }, bounds)),
        await outcome(runner.listRouteChanges({ routeId }, bounds)),
        await outcome(runner.dismissDelivery({ deliveryId }, bounds)),
      ]).toEqual([
        ...[sessionKey, denied, denied, hidden, hidden],
        // None of them is a dead letter, which is told of those that may be known alone.
        isWithin ? "INVALID_REQUEST" : "NOT_FOUND",
      ]);
    }
  }
});
