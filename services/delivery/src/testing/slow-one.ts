import { redrive } from "../store/dead-letters/redrive.ts";
import type { Claimed } from "../store/sending/claimed.ts";
import { newDelivery } from "./rows.ts";
import type { testStore } from "./test-store.ts";

type Store = ReturnType<typeof testStore>;

/** Makes a dead letter of the route PENDING again. Its attempts count as told. */
export async function redriven(
  { db }: Store,
  { tenant, deliveryId, routeId, principal }: Claimed,
): Promise<void> {
  await db.query("UPDATE attempts SET untold = NULL");
  const about = { expireMs: 60_000, fenceId: deliveryId, note: "", requestId: `of ${deliveryId}` };
  const isDone = await redrive(db, { tenant, deliveryId, routeId, principal, ...about });
  if (!isDone) throw new Error("it could not be redriven");
}

/** turn-1 is dead and redriven past turn-2, whose process is slow: both are being sent. */
export async function redrivenPastASlowOne(store: Store, routeId: string) {
  const { add, claim, end } = store;
  for (const turn of ["turn-1", "turn-2", "turn-3"]) await add(newDelivery(routeId, turn));
  const [dead] = await claim("a");
  if (dead === undefined) throw new Error("nothing was claimed");
  await end(dead, { kind: "refused", error: "410" });
  const [slow] = await claim("a", 0);
  await redriven(store, dead);
  const [again] = await claim("b");
  if (slow === undefined || again === undefined) throw new Error("nothing was claimed");
  if (slow.turnId !== "turn-2" || again.turnId !== "turn-1") throw new Error("others were claimed");
  return { slow, again };
}
