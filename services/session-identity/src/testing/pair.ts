import { randomUUID } from "node:crypto";
import {
  type Fence,
  RotationReason,
  RunOutcome,
} from "@lanekeeper/protocol/lanekeeper/identity/v1/session";
import { newTenant } from "./calls.ts";
import type { TestDatabase } from "./database.ts";
import { DbClock } from "./drive/db-clock.ts";
import { type IdentityClient, startReplica, type TestReplica } from "./identity.ts";

/** Two replicas on one database whose clock the test moves, and a tenant's clients at both. */
export async function startPair(database: TestDatabase) {
  const clock = new DbClock();
  const [one, other] = [
    await startReplica(clock.on(database.open())),
    await startReplica(clock.on(database.open())),
  ];
  const cli = one.client("cli");
  const tenant = await newTenant(cli);
  const at = (replica: TestReplica) => ({
    client: replica.client("ingress", { tenant, principal: "operator" }),
    runner: replica.client("runner", { tenant }),
    delivery: replica.client("delivery", { tenant }),
  });
  return { clock, tenant, cli, ...at(one), elsewhere: at(other) };
}

export const raw = (value: string) => ({ name: { case: "rawKey", value } as const });

/** The session that a raw name leads to. */
export async function open(client: IdentityClient, name: string) {
  const { session } = await client.resolveSession(raw(name));
  if (session?.ref === undefined) throw new Error("a resolved name has a session");
  return session.ref;
}

export const byRun = (value: Fence) => ({ writer: { case: "run", value } as const });
export const ended = { case: "ended", value: { outcome: RunOutcome.COMPLETED } } as const;
export const progress = { case: "progress", value: { phase: "model" } } as const;

/** A RotateSession request: an unconditional reset, unless the change says otherwise. */
export const reset = (sessionKey: string, change: object = {}) => ({
  ...{ requestId: randomUUID(), sessionKey, reason: RotationReason.RESET },
  ...change,
});
