import { randomUUID } from "node:crypto";
import { RunOutcome } from "@lanekeeper/protocol/lanekeeper/identity/v1/session";
import { expect, test } from "vitest";
import { LIMITS } from "../limits.ts";
import { begin, failure, fenceOf, newTenant, runIdFor } from "../testing/calls.ts";
import { testDatabase } from "../testing/database.ts";
import { startReplica } from "../testing/identity.ts";

const database = testDatabase();

test("after fence raise a run id of before begins no more: one that the backup has forgotten, or that tells no time", async () => {
  const replica = await startReplica(database.open());
  const cli = replica.client("cli");
  const tenant = await newTenant(cli);
  const runner = replica.client("runner", { tenant });
  const sessionKey = "agent:main:forgotten";
  await runner.resolveSession({ name: { case: "rawKey", value: sessionKey } });
  const ended = { case: "ended", value: { outcome: RunOutcome.COMPLETED } } as const;
  const run = async (change: object) => {
    const fence = fenceOf(await runner.beginRun(begin(sessionKey, change)));
    await runner.writeLifecycle({ writer: { case: "run", value: fence }, event: ended });
  };
  // Any UUID serves until then.
  await run({ runId: randomUUID() });
  const raisedFrom = Date.now();
  await cli.raiseFences({ requestId: `raise-${tenant}` }, { tenant: "" });
  const raisedUntil = Date.now();

  const refused = async (runId: string) => {
    const error = await failure(runner.beginRun(begin(sessionKey, { runId })));
    expect(error).toMatchObject({ reason: "RUN_ENDED", metadata: { run_id: runId } });
    return Date.parse(error.metadata["run_ids_from"] ?? "");
  };
  const fromMs = await refused(runIdFor(raisedFrom - 1));
  expect(fromMs).toBeGreaterThanOrEqual(raisedFrom + LIMITS.runClockAheadMs);
  expect(fromMs).toBeLessThanOrEqual(raisedUntil + LIMITS.runClockAheadMs + 1);
  await refused(randomUUID());
  // Of a runner whose clock was as far ahead as is allowed for.
  await refused(runIdFor(fromMs - 1));
  const { entries } = await cli.listJournal({ sessionKey, pageSize: 1 }, { tenant });
  expect(entries[0]).toMatchObject({ operation: "begin_run", reason: "RUN_ENDED" });
  expect(
    (await runner.getSession({ session: { case: "sessionKey", value: sessionKey } })).session,
  ).toMatchObject({ runEpoch: 1n + LIMITS.fenceLift });

  await run({ runId: runIdFor(fromMs) });
  await cli.raiseFences({ requestId: `again-${tenant}` }, { tenant: "" });
  // Also of a server whose clock is behind the lost one's: what was minted for the first time is old.
  expect(await refused(runIdFor(fromMs))).toBeGreaterThanOrEqual(fromMs + LIMITS.runClockAheadMs);
});
