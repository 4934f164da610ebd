import {
  RotationReason,
  RunOutcome,
  StaleFenceSchema,
} from "@lanekeeper/protocol/lanekeeper/identity/v1/session";
import { expect, test } from "vitest";
import { begin, failure, fenceOf, newTenant } from "../testing/calls.ts";
import { testDatabase } from "../testing/database.ts";
import { startReplica } from "../testing/identity.ts";

const database = testDatabase();

test("a turn's whole path: resolve, begin, started, heartbeat, ended, and what stands in the journal", async () => {
  const replica = await startReplica(database.open());
  const tenant = await newTenant(replica.client("cli"));
  const runner = replica.client("runner", { tenant });
  const resolved = await runner.resolveSession({ name: { case: "rawKey", value: "chat-1" } });
  expect(resolved.session?.ref).toMatchObject({ sessionKey: "agent:main:chat-1", generation: 1n });
  const again = await runner.resolveSession({ name: { case: "rawKey", value: "chat-1" } });
  expect(again.session?.ref).toEqual(resolved.session?.ref);

  const begun = await runner.beginRun(begin("agent:main:chat-1"));
  const run = fenceOf(begun);
  expect(run.runEpoch).toBe(1n);
  const writer = { case: "run", value: run } as const;
  const started = { case: "started", value: { model: "scripted" } } as const;
  expect(await runner.writeLifecycle({ writer, eventSeq: 1n, event: started })).toMatchObject({
    applied: true,
  });
  const progress = { case: "progress", value: { phase: "model" } } as const;
  await runner.writeLifecycle({ writer, eventSeq: 2n, event: progress });
  await runner.checkFence({ writer });
  const ended = { case: "ended", value: { outcome: RunOutcome.COMPLETED } } as const;
  const first = await runner.writeLifecycle({ writer, event: ended });
  expect(await runner.writeLifecycle({ writer, event: ended })).toEqual(first);

  const journal = await runner.listJournal({ sessionKey: "agent:main:chat-1" });
  expect(journal.entries.map(({ operation }) => operation)).toEqual([
    "run_ended",
    "run_started",
    "begin_run",
    "reserve",
  ]);
  const session = await runner.getSession({
    session: { case: "sessionKey", value: "agent:main:chat-1" },
  });
  expect(session.session?.lastRun).toMatchObject({
    runId: run.runId,
    outcome: RunOutcome.COMPLETED,
  });
});

test("a turn that names the session of another key is refused, whether the key is remembered or read, and takes nothing", async () => {
  const replica = await startReplica(database.open());
  const tenant = await newTenant(replica.client("cli"));
  const runner = replica.client("runner", { tenant });
  const [own, other] = await Promise.all(
    ["chat-own", "chat-other"].map(async (value) => {
      const { session } = await runner.resolveSession({ name: { case: "rawKey", value } });
      return session?.ref?.sessionId ?? "";
    }),
  );
  const asked = (admittedSessionId = "") => begin("agent:main:chat-own", { admittedSessionId });
  const refused = {
    reason: "GENERATION_MISMATCH",
    metadata: { session_id: own, generation: "1", expected: "1", expected_session_id: other },
  };
  expect(await failure(runner.beginRun(asked(other)))).toMatchObject(refused);
  const run = fenceOf(await runner.beginRun(asked(own)));
  expect(run.runEpoch).toBe(1n);
  const writer = { case: "run", value: run } as const;
  const ended = { case: "ended", value: { outcome: RunOutcome.COMPLETED } } as const;
  await runner.writeLifecycle({ writer, event: ended });
  expect(await failure(runner.beginRun(asked(other)))).toMatchObject(refused);
  expect(fenceOf(await runner.beginRun(asked(own))).runEpoch).toBe(2n);
});

test("a rotated run is told STALE_GENERATION with the current fence and the rotation that did it", async () => {
  const replica = await startReplica(database.open());
  const tenant = await newTenant(replica.client("cli"));
  const runner = replica.client("runner", { tenant });
  const ingress = replica.client("ingress", { tenant, principal: "alice" });
  await runner.resolveSession({ name: { case: "rawKey", value: "chat-2" } });
  const run = fenceOf(await runner.beginRun(begin("agent:main:chat-2")));
  const rotated = await ingress.rotateSession({
    requestId: "reset-1",
    sessionKey: "agent:main:chat-2",
    reason: RotationReason.RESET,
    note: "start over",
  });
  expect(rotated.endedRun?.runId).toBe(run.runId);
  const progress = { case: "progress", value: { phase: "model" } } as const;
  const writer = { case: "run", value: run } as const;
  const error = await failure(runner.writeLifecycle({ writer, eventSeq: 1n, event: progress }));
  expect(error.reason).toBe("STALE_GENERATION");
  const stale = error.detail(StaleFenceSchema);
  expect(stale?.current?.session?.generation).toBe(2n);
  expect(stale?.cause).toMatchObject({
    reason: RotationReason.RESET,
    principal: "alice",
    note: "start over",
  });
  const same = await ingress.rotateSession({
    requestId: "reset-1",
    sessionKey: "agent:main:chat-2",
    reason: RotationReason.RESET,
    note: "start over",
  });
  expect(same).toEqual(rotated);
});

test("a refusal was logged without the name, session and generation that it was about", async () => {
  const replica = await startReplica(database.open());
  const tenant = await newTenant(replica.client("cli"));
  const runner = replica.client("runner", { tenant });
  const { session } = await runner.resolveSession({ name: { case: "rawKey", value: "chat-3" } });
  const name = { case: "rawKey", value: "chat-3" } as const;
  await failure(runner.resolveSession({ name, expectedGeneration: 7n }));
  await failure(runner.resolveSession({ name: { case: "rawKey", value: "agent:main:" } }));
  const gone = { session: session!.ref!, runId: crypto.randomUUID(), runEpoch: 9n };
  await failure(runner.checkFence({ writer: { case: "run", value: gone } }));
  const requiredGeneration = 5n;
  await failure(runner.beginRun(begin("agent:main:chat-3", { requiredGeneration })));
  const refused = replica.log.lines.filter(({ msg }) => msg === "refused");
  expect(refused).toMatchObject([
    { operation: "resolve", tenant, raw_key: "chat-3", generation: 7 },
    { operation: "resolve", raw_key: "agent:main:" },
    { operation: "check_fence", session_id: session?.ref?.sessionId, generation: 1 },
    { operation: "begin_run", session_key: "agent:main:chat-3", generation: 1 },
  ]);
});
