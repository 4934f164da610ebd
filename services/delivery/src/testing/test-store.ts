import { afterAll, afterEach, beforeAll, beforeEach } from "vitest";
import { LIMITS } from "../limits.ts";
import { endAttempt } from "../domain/attempt-ending.ts";
import type { SendOutcome } from "../domain/send-outcome.ts";
import type { NewDelivery } from "../store/deliveries/enqueue.ts";
import { registerRoute } from "../store/routes/register-route.ts";
import { claimDue } from "../store/sending/claim-due.ts";
import type { Claimed } from "../store/sending/claimed.ts";
import { ReplySteps } from "../store/sending/reply-steps.ts";
import type { DeliveryDatabase } from "../store/sql.ts";
import { newRoute } from "./rows.ts";
import { QUICK } from "./test-delivery.ts";
import { startTestSchemas, type TestSchemas } from "./test-schemas.ts";

/** The store of a test file: each test has a schema of its own, and a replica that takes replies and sends them. */
export function testStore() {
  let schemas: TestSchemas;
  let db: DeliveryDatabase;
  let steps: ReplySteps;

  beforeAll(async () => {
    schemas = await startTestSchemas();
  });
  afterAll(() => schemas[Symbol.asyncDispose]());
  beforeEach(async () => {
    db = await schemas.open();
    steps = stepsOf(1_000);
  });
  afterEach(() => schemas.giveBack());

  async function route(address?: string): Promise<string> {
    const stored = await registerRoute(db, newRoute(address), LIMITS);
    if (stored === undefined) throw new Error("no route");
    return stored.routeId;
  }

  /** Another replica, with a bound of its own for what may wait on a route. */
  const stepsOf = (waitingPerRoute: number) =>
    new ReplySteps(db, "a", { ...QUICK, waitingPerRoute });
  const add = (delivery: NewDelivery) => steps.enqueue(delivery);
  const claim = (replica: string, leaseMs = 30_000) => claimDue(db, { replica, leaseMs }, 32);

  function end(claimed: Claimed, outcome: SendOutcome, wantsNext = false) {
    const { failureCount, unavailableCount, perhapsSent } = claimed;
    const before = { failureCount, unavailableCount, perhapsSent };
    const facts = { ...before, wasClaimed: true, claimedNow: true };
    const ending = endAttempt(outcome, facts, { ...QUICK, random: 0 });
    const { report: untold } = ending;
    return steps.finish({ claimed, ending, wasClaimed: true, pieceCount: 1, untold, wantsNext });
  }

  const sent = (claimed: Claimed) => end(claimed, { kind: "sent", providerMessageId: "" });
  const failed = (claimed: Claimed, retryAfterMs = 0) =>
    end(claimed, { kind: "failed", error: "503", retryAfterMs });

  return {
    get db() {
      return db;
    },
    get steps() {
      return steps;
    },
    ...{ route, stepsOf, add, claim, end, sent, failed },
  };
}
