import { startWebhookSink, type WebhookSink } from "@lanekeeper/testing";
import { afterAll, afterEach, beforeAll, beforeEach } from "vitest";
import type { DeliveryDatabase } from "../store/sql.ts";
import { IdentityStandIn } from "./identity-stand-in.ts";
import { registerWebhook } from "./replies.ts";
import { SECRET, startTestDelivery, type TestDelivery } from "./test-delivery.ts";
import { startTestSchemas, type TestSchemas } from "./test-schemas.ts";

type Overrides = Parameters<typeof startTestDelivery>[2];

/** Delivery between a stand-in of session-identity and a receiver of webhooks, for each test of a file. */
export function testSending() {
  let schemas: TestSchemas;
  let db: DeliveryDatabase;
  let identity: IdentityStandIn;
  let sink: WebhookSink;
  const replicas: TestDelivery[] = [];

  beforeAll(async () => {
    schemas = await startTestSchemas();
  });
  afterAll(() => schemas[Symbol.asyncDispose]());
  beforeEach(async () => {
    db = await schemas.open();
    identity = new IdentityStandIn(SECRET);
    await identity.start();
    sink = await startWebhookSink();
  });
  afterEach(async () => {
    await Promise.all(replicas.splice(0).map((replica) => replica[Symbol.asyncDispose]()));
    await identity[Symbol.asyncDispose]();
    await sink[Symbol.asyncDispose]();
    await schemas.giveBack();
  });

  /** A replica that ends with its test. */
  async function startReplica(overrides: Overrides = {}): Promise<TestDelivery> {
    const replica = await startTestDelivery(db, identity, overrides);
    replicas.push(replica);
    return replica;
  }

  /** A replica with a route to the receiver. */
  async function startWithRoute(overrides: Overrides = {}) {
    const replica = await startReplica(overrides);
    const runner = replica.as("runner");
    const { routeId, secret } = await registerWebhook(runner, sink.url);
    return { replica, runner, routeId, secret };
  }

  return {
    ...{ replicas, startReplica, startWithRoute },
    get db() {
      return db;
    },
    get identity() {
      return identity;
    },
    get sink() {
      return sink;
    },
  };
}
