import {
  PendingReplies,
  RotationReason,
  StaleFenceSchema,
} from "@lanekeeper/protocol/lanekeeper/identity/v1/session";
import { expect, test } from "vitest";
import { LIMITS } from "../limits.ts";
import { begin, failure, fenceOf, newTenant, runIdFor } from "../testing/calls.ts";
import { testDatabase } from "../testing/database.ts";
import { startReplica } from "../testing/identity.ts";

const database = testDatabase();

test("after fence raise nothing that was valid before is accepted, and new keys start at the floor", async () => {
  const replica = await startReplica(database.open());
  const cli = replica.client("cli");
  const tenant = await newTenant(cli);
  const [runner, delivery] = [
    replica.client("runner", { tenant }),
    replica.client("delivery", { tenant }),
  ];
  const raw = (value: string) => runner.resolveSession({ name: { case: "rawKey", value } });
  const before = (await raw("chat")).session;
  const run = fenceOf(await runner.beginRun(begin("agent:main:chat")));
  const controller = new AbortController();
  const watch = delivery.watchSessions({ skipSnapshot: true }, { signal: controller.signal });
  const messages = watch[Symbol.asyncIterator]();
  const { value: first } = await messages.next();
  const reply = { session: run.session, turnId: "t", deliveryId: "d" };
  const sending = { case: "sending", value: { attempt: 1 } } as const;
  const byReply = { case: "reply", value: reply } as const;
  await delivery.writeLifecycle({ writer: byReply, eventSeq: 1n, event: sending });

  const raised = await cli.raiseFences(
    { requestId: "raise-1", note: "restored" },
    { tenant: "", requestId: "raise-1" },
  );
  expect(raised.keyCount).toBe(1n);
  expect(await cli.raiseFences({ requestId: "raise-1" }, { tenant: "" })).toEqual(raised);

  const after = (await raw("chat")).session;
  expect(after?.ref?.generation).toBe(1n + LIMITS.fenceLift);
  expect(after).toMatchObject({
    runEpoch: 1n + LIMITS.fenceLift,
    parentSessionId: before?.ref?.sessionId,
  });
  // Whoever keeps the later of two states by revision keeps this one, whatever a restore forgot.
  expect(after?.revision).toBeGreaterThan(LIMITS.fenceLift);
  expect(after?.activeRun).toBeUndefined();
  expect(after?.ref?.sessionId).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-/);
  const progress = { case: "progress", value: {} } as const;
  const byRun = { case: "run", value: run } as const;
  const stale = await failure(
    runner.writeLifecycle({ writer: byRun, eventSeq: 1n, event: progress }),
  );
  expect(stale.reason).toBe("STALE_GENERATION");
  const late = await failure(
    delivery.writeLifecycle({ writer: byReply, eventSeq: 2n, event: sending }),
  );
  expect(late.reason).toBe("STALE_GENERATION");
  // By which delivery tells a restore from a reset.
  expect(late.detail(StaleFenceSchema)?.current?.session).toEqual(after?.ref);
  const { rotations } = await runner.listRotations({ sessionKey: "agent:main:chat" });
  expect(rotations).toMatchObject([
    {
      reason: RotationReason.MIGRATION,
      pendingReplies: PendingReplies.SUPPRESS,
      note: "restored",
      perhapsSentCount: 1,
    },
  ]);

  const { entries } = await runner.listJournal({ requestId: "raise-1" });
  expect(entries).toMatchObject([
    { operation: "raise_fences", requestId: "raise-1", note: "restored", errorMessage: "" },
  ]);

  const born = (await raw("new")).session;
  expect(born).toMatchObject({ revision: 1n + LIMITS.fenceLift });
  expect(born?.ref?.generation).toBe(1n + LIMITS.fenceLift);
  const later = runIdFor(Date.now() + 2 * LIMITS.runClockAheadMs);
  const anew = begin("agent:main:new", {
    ...{ admittedGeneration: 1n + LIMITS.fenceLift, runId: later },
  });
  expect(fenceOf(await runner.beginRun(anew)).runEpoch).toBe(1n + LIMITS.fenceLift);
  expect((await failure(messages.next())).reason).toBe("RESUME_TOKEN_EXPIRED");
  const resumed = delivery.watchSessions({ resumeToken: first?.resumeToken ?? "" });
  expect((await failure(resumed[Symbol.asyncIterator]().next())).reason).toBe(
    "RESUME_TOKEN_EXPIRED",
  );
  controller.abort();
});
