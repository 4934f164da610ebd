import {
  QueuedTurns,
  RotationReason,
  type SessionRef,
} from "@lanekeeper/protocol/lanekeeper/identity/v1/session";
import { test } from "vitest";
import type { Keys } from "../../services/runner/src/testing/lane/keys.ts";
import { playLane } from "../../services/runner/src/testing/lane/play.ts";
import { TENANT } from "../../services/runner/src/testing/requests.ts";
import { schemasOfRunner } from "../../services/runner/src/testing/test-worlds.ts";
import { World } from "../../services/runner/src/testing/world.ts";
import { testDatabase } from "../../services/session-identity/src/testing/database.ts";
import {
  type IdentityClient,
  startReplica,
} from "../../services/session-identity/src/testing/identity.ts";

const database = testDatabase();

/** Each call of session-identity itself, as ingress makes it; its leases by its own database. */
function keysOf(ingress: IdentityClient): Keys {
  const db = database.open(1);
  const asked = () => ({ tenant: TENANT, principal: "p1", requestId: crypto.randomUUID() });
  return {
    ref: async (sessionKey) => {
      const name = { case: "rawKey" as const, value: sessionKey };
      const { session } = await ingress.resolveSession({ name }, asked());
      return session?.ref as SessionRef;
    },
    reset: async (sessionKey, skipsQueued) => {
      const queuedTurns = skipsQueued ? QueuedTurns.SKIP : QueuedTurns.CARRY;
      const requestId = crypto.randomUUID();
      const reason = RotationReason.RESET;
      await ingress.rotateSession({ sessionKey, requestId, reason, queuedTurns }, asked());
    },
    expireLeases: async () => {
      await db.query(
        "UPDATE session_keys SET active_lease_expire_time = 'epoch' WHERE active_run_id IS NOT NULL",
      );
    },
  };
}

test("with session-identity itself, whatever is done to a lane, in whatever order: every turn ends once, in order, and its callers are told", async () => {
  const identity = await startReplica(database.open());
  const policies = [{ agentId: "main" }];
  await identity.client("cli", { tenant: TENANT }).applyKeyPolicies({ policies });
  await using schemas = schemasOfRunner(database.place());
  await using world = await World.start(await schemas.lend(), identity.server.address);
  await playLane(world, keysOf(identity.client("ingress")), 5);
});
