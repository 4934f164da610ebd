import { randomUUID } from "node:crypto";
import { endErasures } from "../acts/end-erasures.ts";
import { LIMITS } from "../limits.ts";
import type { Db } from "../store/db.ts";
import { newTenant } from "./calls.ts";
import { type IdentityClient, startReplica } from "./identity.ts";

/** A replica with a tenant of its own, and clients of those who take part in an erasure. */
export async function startErasing(db: Db) {
  const replica = await startReplica(db);
  const tenant = await newTenant(replica.client("cli"));
  const [cli, ingress, runner, delivery] = (["cli", "ingress", "runner", "delivery"] as const).map(
    (peer) => replica.client(peer, { tenant }),
  ) as [IdentityClient, IdentityClient, IdentityClient, IdentityClient];
  return { db, replica, tenant, cli, ingress, runner, delivery };
}

export type Erasing = Awaited<ReturnType<typeof startErasing>>;

export const rawName = (value: string) => ({ name: { case: "rawKey", value } }) as const;

/** Asks for the erasure of a key. Gives its id. */
export async function erase({ cli }: Pick<Erasing, "cli">, sessionKey: string): Promise<string> {
  const { erasure } = await cli.eraseKey({ requestId: randomUUID(), sessionKey });
  if (erasure === undefined) throw new Error("an erasure is told");
  return erasure.erasureId;
}

/** As if it had begun so long ago that nothing of before is under way, with all that was bound before and since. */
export async function settle(db: Db, erasureId: string): Promise<void> {
  await db.query(
    `with e as (
       update erasures set create_time = create_time - $2 * interval '1 millisecond'
       where erasure_id = $1 returning tenant
     )
     update key_bindings b set first_seen_time = b.first_seen_time - $2 * interval '1 millisecond'
     from e where b.tenant = e.tenant`,
    [erasureId, LIMITS.erasureSettleMs],
  );
}

/** Runner and delivery have nothing of it any more. */
export async function removeAll(erasing: Erasing, erasureId: string): Promise<void> {
  await settle(erasing.db, erasureId);
  await erasing.runner.reportErasure({ erasureId, done: true });
  await erasing.delivery.reportErasure({ erasureId, done: true });
}

/** The same, and then session-identity has none of it either. Gives how many ended. */
export async function eraseWhole(erasing: Erasing, sessionKey: string): Promise<string> {
  const erasureId = await erase(erasing, sessionKey);
  await removeAll(erasing, erasureId);
  await endNow(erasing);
  return erasureId;
}

export function endNow({ replica }: Pick<Erasing, "replica">): Promise<number> {
  return endErasures(replica.context, new AbortController().signal);
}
