import { durationFromMs, timestampFromMs } from "@bufbuild/protobuf/wkt";
import { TurnClass } from "@lanekeeper/protocol/lanekeeper/identity/v1/lifecycle";
import {
  type Fence,
  PendingReplies,
  QueuedTurns,
  RotationReason,
} from "@lanekeeper/protocol/lanekeeper/identity/v1/session";
import { expect, test } from "vitest";
import { begin, failure, fenceOf } from "../testing/calls.ts";
import { testDatabase } from "../testing/database.ts";
import { byRun, ended, open, progress, raw, reset, startPair } from "../testing/pair.ts";

/**
 * What users of other systems reported about who may write and for how long, each shown not to happen
 * here. Numbers are those of the public issue trackers.
 */
const database = testDatabase();

const LEASE_MS = 15_000;

test("openclaw #127195, #137355: whatever a run was refused for, the session takes the next one", async () => {
  const { client, runner, elsewhere, clock } = await startPair(database);
  const { sessionKey } = await open(client, "chat");
  const losses: ((fence: Fence) => Promise<unknown>)[] = [
    (fence) => runner.writeLifecycle({ ...byRun(fence), event: ended }),
    () => client.rotateSession(reset(sessionKey)),
    async () => clock.advance(LEASE_MS + 1_000),
  ];
  for (const lose of losses) {
    const fence = fenceOf(await runner.beginRun(begin(sessionKey)));
    await lose(fence);
    const next = fenceOf(await elsewhere.runner.beginRun(begin(sessionKey)));
    const refusals = [
      await failure(runner.writeLifecycle({ ...byRun(fence), eventSeq: 1n, event: progress })),
      await failure(runner.checkFence(byRun(fence))),
    ];
    for (const { reason } of refusals) {
      expect(["RUN_ENDED", "STALE_GENERATION", "TAKEN_OVER"]).toContain(reason);
    }
    await elsewhere.runner.writeLifecycle({ ...byRun(next), event: ended });
  }
});

test("openclaw #88538, letta #3176: a run that died holds its key for one lease, and its successor is told whose it was", async () => {
  const { client, runner, elsewhere, clock } = await startPair(database);
  const { sessionKey } = await open(client, "chat");
  const dead = begin(sessionKey);
  await runner.beginRun(dead);
  const busy = await failure(elsewhere.runner.beginRun(begin(sessionKey)));
  expect(busy.retryAfterMs).toBeLessThanOrEqual(LEASE_MS);
  clock.advance(LEASE_MS);
  const { takenOver, fence } = await elsewhere.runner.beginRun(begin(sessionKey));
  expect(takenOver?.runId).toBe(dead.runId);
  expect(fence?.runEpoch).toBe(2n);
});

test("openclaw #119117: an operator clears a stuck row with a reset, without waiting for its lease", async () => {
  const { client, runner, elsewhere } = await startPair(database);
  const { sessionKey } = await open(client, "chat");
  const stuck = begin(sessionKey, { leaseDuration: durationFromMs(300_000) });
  await runner.beginRun(stuck);
  const { endedRun } = await elsewhere.client.rotateSession(reset(sessionKey));
  expect(endedRun?.runId).toBe(stuck.runId);
  const next = fenceOf(await elsewhere.runner.beginRun(begin(sessionKey)));
  expect(next.session?.generation).toBe(2n);
});

test("openclaw: a write that lands after a reset changes nothing, started, progress and ending alike", async () => {
  const { client, runner, elsewhere } = await startPair(database);
  const { sessionKey } = await open(client, "chat");
  const fence = fenceOf(await runner.beginRun(begin(sessionKey)));
  await client.rotateSession(reset(sessionKey));
  const session = { case: "sessionKey", value: sessionKey } as const;
  const before = (await client.getSession({ session })).session;
  const late = [
    { eventSeq: 1n, event: { case: "started", value: { model: "m" } } as const },
    { eventSeq: 2n, event: progress },
    { event: ended },
  ];
  for (const write of late) {
    const error = await failure(elsewhere.runner.writeLifecycle({ ...byRun(fence), ...write }));
    expect(error.reason).toBe("STALE_GENERATION");
  }
  expect((await client.getSession({ session })).session).toEqual(before);
});

test("a run that compacts its own session keeps its right: heartbeats from before and after are both taken", async () => {
  const { client, runner, elsewhere } = await startPair(database);
  const { sessionKey } = await open(client, "chat");
  const before = fenceOf(await runner.beginRun(begin(sessionKey)));
  const { fence: after } = await runner.rotateSession(
    reset(sessionKey, {
      reason: RotationReason.COMPACTION,
      precondition: { case: "owner", value: before },
    }),
  );
  if (after === undefined) throw new Error("the owner gets its new fence");
  expect(after).toMatchObject({ runId: before.runId, runEpoch: before.runEpoch });
  const late = { ...byRun(before), eventSeq: 1n, event: progress };
  expect(await elsewhere.runner.writeLifecycle(late)).toMatchObject({ applied: true });
  await runner.writeLifecycle({ ...byRun(after), eventSeq: 2n, event: progress });
  await runner.checkFence(byRun(before));
  await runner.writeLifecycle({ ...byRun(after), event: ended });
});

test("openclaw #119407, #126851: order comes from numbers, so a clock that goes back or stands still misleads no fence", async () => {
  const { client, runner, elsewhere, clock } = await startPair(database);
  const { sessionKey } = await open(client, "chat");
  const fence = fenceOf(await runner.beginRun(begin(sessionKey)));
  clock.advance(-3_600_000);
  await elsewhere.runner.writeLifecycle({ ...byRun(fence), eventSeq: 1n, event: progress });
  const [one, two] = await Promise.all([
    client.rotateSession(reset(sessionKey)),
    elsewhere.client.rotateSession(reset(sessionKey)),
  ]);
  const generations = [one, two].map(({ rotation }) => rotation?.current?.generation);
  expect(new Set(generations)).toEqual(new Set([2n, 3n]));
  const stale = await failure(
    runner.writeLifecycle({ ...byRun(fence), eventSeq: 2n, event: progress }),
  );
  expect(stale.reason).toBe("STALE_GENERATION");
});

test("openclaw #120321, #152694: each state has a number that only grows, whatever its timestamps say", async () => {
  const { client, runner, clock } = await startPair(database);
  const { sessionKey } = await open(client, "chat");
  const session = { case: "sessionKey", value: sessionKey } as const;
  const revisions: bigint[] = [];
  const look = async () =>
    revisions.push((await client.getSession({ session })).session?.revision ?? 0n);
  for (let n = 0; n < 3; n += 1) {
    await look();
    const fence = fenceOf(
      await runner.beginRun(begin(sessionKey, { admittedGeneration: BigInt(n + 1) })),
    );
    await look();
    clock.advance(-60_000);
    await runner.writeLifecycle({ ...byRun(fence), event: ended });
    await look();
    await client.rotateSession(reset(sessionKey));
  }
  expect(revisions).toEqual(revisions.toSorted((a, b) => Number(a - b)));
  expect(new Set(revisions).size).toBe(revisions.length);
});

test("rasa #7887, lettabot #488, openclaw #52271: no ingress goes past the lane: a system turn finds the key held too", async () => {
  const { client, runner, elsewhere } = await startPair(database);
  const { sessionKey } = await open(client, "chat");
  await runner.beginRun(begin(sessionKey));
  const system = begin(sessionKey, { turnClass: TurnClass.SYSTEM });
  expect((await failure(elsewhere.runner.beginRun(system))).reason).toBe("SESSION_BUSY");
  const internal = { ...raw("cron:nightly"), internal: true };
  const inner = (await runner.resolveSession(internal)).session?.ref?.sessionKey ?? "";
  const fence = fenceOf(await runner.beginRun(begin(inner, { turnClass: TurnClass.SYSTEM })));
  expect((await failure(elsewhere.runner.beginRun(begin(inner)))).reason).toBe("SESSION_BUSY");
  await runner.rotateSession(reset(inner));
  const write = { ...byRun(fence), eventSeq: 1n, event: progress };
  expect((await failure(elsewhere.runner.writeLifecycle(write))).reason).toBe("STALE_GENERATION");
});

test("openclaw #89208, #130810: a reset clears no queue unless it is told to, and a turn that is skipped hears why", async () => {
  const { client, runner } = await startPair(database);
  const { sessionKey } = await open(client, "chat");
  const waiting = begin(sessionKey, { admittedGeneration: 1n });
  await client.rotateSession(reset(sessionKey));
  const fence = fenceOf(await runner.beginRun(waiting));
  expect(fence.session?.generation).toBe(2n);
  await runner.writeLifecycle({ ...byRun(fence), event: ended });
  await client.rotateSession(reset(sessionKey, { queuedTurns: QueuedTurns.SKIP }));
  const skipped = await failure(runner.beginRun(begin(sessionKey, { admittedGeneration: 2n })));
  expect(skipped).toMatchObject({
    reason: "TURN_SKIPPED",
    metadata: { admitted_generation: "2", oldest_runnable_generation: "3" },
  });
});

test("openclaw #29106: after a reset no reply of before is claimed any more, however long it lay", async () => {
  const { client, delivery, elsewhere, clock } = await startPair(database);
  const session = await open(client, "chat");
  const writer = { case: "reply", value: { session, turnId: "turn", deliveryId: "d" } } as const;
  const sending = { case: "sending", value: { attempt: 1 } } as const;
  await client.rotateSession(reset(session.sessionKey));
  clock.advance(7 * 86_400_000);
  for (const each of [delivery, elsewhere.delivery]) {
    const error = await failure(each.writeLifecycle({ writer, eventSeq: 1n, event: sending }));
    expect(error.reason).toBe("STALE_GENERATION");
  }
  const kept = reset(session.sessionKey, { pendingReplies: PendingReplies.DELIVER });
  await client.rotateSession(kept);
  const current = await open(client, "chat");
  expect(current.generation).toBe(3n);
});

test("a turn that was accepted long ago is judged by when it was accepted, and a clock rolls no run over", async () => {
  const { client, runner, cli, tenant, clock } = await startPair(database);
  const policies = [{ agentId: "main", idleAfter: durationFromMs(3_600_000) }];
  await cli.applyKeyPolicies({ defaultAgentId: "main", policies }, { tenant });
  const { sessionKey } = await open(client, "chat");
  const first = fenceOf(await runner.beginRun(begin(sessionKey)));
  const accepted = timestampFromMs(clock.nowMs());
  clock.advance(7_200_000);
  await runner.writeLifecycle({ ...byRun(first), eventSeq: 1n, event: progress });
  await runner.writeLifecycle({ ...byRun(first), event: ended });
  const waited = await runner.beginRun(begin(sessionKey, { acceptTime: accepted }));
  expect(waited.rolledOver).toBeUndefined();
  await runner.writeLifecycle({ ...byRun(fenceOf(waited)), event: ended });
  clock.advance(7_200_000);
  const fresh = await runner.beginRun(
    begin(sessionKey, { acceptTime: timestampFromMs(clock.nowMs()) }),
  );
  expect(fresh.rolledOver).toMatchObject({ reason: RotationReason.IDLE, parentSessionId: "" });
});
