import { expect, test } from "vitest";
import { testDatabase } from "../testing/database.ts";
import { startReplica } from "../testing/identity.ts";
import type { TestReplica } from "../testing/identity.ts";
import { changeUncommitted } from "../testing/uncommitted.ts";
import { seen, watchedTenant, watching } from "../testing/watching.ts";

const database = testDatabase();

/** Of lanekeeper_identity_watch_lag_seconds: how often, and the sum in seconds. */
async function lagOf({ metrics }: TestReplica): Promise<{ count: number; sum: number }> {
  const page = await metrics.registry.metrics();
  const value = (suffix: string) =>
    Number(
      new RegExp(`^lanekeeper_identity_watch_lag_seconds_${suffix}\\{[^}]*\\} (\\S+)$`, "m").exec(
        page,
      )?.[1],
    );
  return { count: value("count"), sum: value("sum") };
}

test("the watch lag is how long ago a change was written that a poll finds, also another replica's", async () => {
  const { replica, tenant, client, resolve } = await watchedTenant(database.open());
  const watch = watching(client, { skipSnapshot: true });
  await watch.next();
  const other = (await startReplica(database.open())).client("runner", { tenant });
  await other.resolveSession({ name: { case: "rawKey", value: "far" } });
  await watch.next();
  const far = await lagOf(replica);
  expect(far.count).toBeGreaterThan(0);
  await resolve("late");
  await watch.next();
  const before = await lagOf(replica);
  const late = await changeUncommitted(database.open(), tenant, "agent:main:late");
  const heldFromMs = performance.now();
  // Others are told meanwhile, and are not late for it.
  await resolve("quick");
  expect(seen(await watch.next())).toBe("changed agent:main:quick g1 r1");
  const heldMs = performance.now() - heldFromMs;
  await late.commit();
  expect(seen(await watch.next())).toBe("changed agent:main:late g1 r2");
  const after = await lagOf(replica);
  expect(after.count).toBeGreaterThan(before.count);
  expect(after.sum - before.sum).toBeGreaterThanOrEqual((heldMs - 1) / 1_000);
});

test("a replica without anything to tell has no lag, however often it looks", async () => {
  const { replica, client } = await watchedTenant(database.open());
  const watch = watching(client, { skipSnapshot: true });
  await watch.next();
  const { count } = await lagOf(replica);
  // Three messages of nothing but a place: polls that found nothing.
  const quiet = watching(client, { skipSnapshot: true, bookmarkInterval: { nanos: 50_000_000 } });
  for (let n = 0; n < 3; n += 1) await quiet.next();
  expect((await lagOf(replica)).count).toBe(count);
});
