import { TurnClass } from "@lanekeeper/protocol/lanekeeper/identity/v1/lifecycle";
import { LanekeeperError, later, storeUnavailable } from "@lanekeeper/rpc";
import { captureLog, recordSpans } from "@lanekeeper/service/testing";
import { createMetrics, systemClock } from "@lanekeeper/service";
import { eventually } from "@lanekeeper/testing";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { AgentDirectory } from "../agents/agent-directory.ts";
import { DEFAULT_LIMITS } from "../limits.ts";
import { ingressMetrics } from "../metrics.ts";
import { ask } from "../testing/ask.ts";
import { type SchedulesDatabase, startSchedulesDatabase } from "../testing/schedules-database.ts";
import { startTestIngress, type TestIngress } from "../testing/test-ingress.ts";
import { type DueRunner, runDue } from "./run-due.ts";
import type { Schedule } from "./schedule.ts";
import type { ScheduleStore } from "./store.ts";

let database: SchedulesDatabase;
let db: SchedulesDatabase["db"];
let store: ScheduleStore;
let lane: TestIngress;

beforeAll(async () => {
  database = await startSchedulesDatabase();
  ({ db, store } = database);
});
afterAll(async () => {
  await database?.[Symbol.asyncDispose]();
});

beforeEach(async () => {
  await db.query("DELETE FROM schedules");
  // Its own loop looks so seldom that the test alone runs what is due.
  const limits = { scheduleTickMs: 3_600_000 };
  lane = await startTestIngress({ scheduleStore: store, limits });
});
afterEach(async () => {
  await lane[Symbol.asyncDispose]();
});

/** One replica's part in it, with what is changed for a test. */
function replica(change: Partial<DueRunner> = {}): DueRunner {
  const { identity, runner } = lane.clients;
  const [clock, limits] = [systemClock, DEFAULT_LIMITS];
  const agents = new AgentDirectory({ identity, runner, clock, limits });
  return {
    ...{ store, agents, identity, runner, clock, log: captureLog().log },
    metrics: ingressMetrics(createMetrics("ingress", { ofProcess: false })),
    limits,
    ...change,
  };
}

const SPEC = { cron: "0 * * * *", message: "Write the report." };

const call = (method: string, body: object, headers = {}) =>
  ask(lane, { path: `/lanekeeper.ingress.v1.IngressService/${method}`, body, headers });

const create = (scheduleId: string, more: object = {}) =>
  call("CreateSchedule", { spec: { scheduleId, ...SPEC, ...more } });

/** Makes a schedule whose time came so many minutes ago. */
async function due(scheduleId: string, minutes = 0, more: object = {}): Promise<Date> {
  expect((await create(scheduleId, more)).status).toBe(200);
  const { rows } = await db.query<{ at: Date }>(
    `UPDATE schedules SET
       next_due_time = date_trunc('second', now()) - $2 * interval '1 minute', lease_until = NULL
     WHERE schedule_id = $1 RETURNING next_due_time AS at`,
    [scheduleId, minutes],
  );
  if (rows[0] === undefined) throw new Error("no such schedule");
  return rows[0].at;
}

async function stored(scheduleId: string): Promise<Schedule> {
  const found = await store.find("default", scheduleId);
  if (found === undefined) throw new Error("no such schedule");
  return found;
}

/** Every lease is over, as if its replica had died long ago. */
const expireLeases = () => db.query("UPDATE schedules SET lease_until = now()");

const keys = () => lane.runner.turns.map(({ submit }) => submit.idempotencyKey).toSorted();
const keyOf = (id: string, at: Date) => `schedule/${id}/${at.toISOString().replace(".000Z", "Z")}`;

describe("a due time", () => {
  test("is run once over replicas that look at once, as a turn of the system", async () => {
    const times = [await due("one"), await due("two"), await due("three")];
    const replicas = [replica(), replica(), replica()];
    const begunMs = Date.now();
    await Promise.all(replicas.flatMap((one) => [runDue(one), runDue(one)]));
    const ids = ["one", "two", "three"] as const;
    expect(keys()).toEqual(ids.map((id, at) => keyOf(id, times[at] ?? new Date())).toSorted());
    const { submit, session, principal } = lane.runner.last;
    expect(submit).toMatchObject({
      turnClass: TurnClass.SYSTEM,
      origin: { source: "schedule" },
      messages: [{ parts: [{ content: { case: "text", value: "Write the report." } }] }],
    });
    expect(session?.sessionKey).toBe(`agent:main:${submit.origin?.rawKey}`);
    expect(principal).toMatch(/^schedule\/(one|two|three)$/);
    const asked = lane.identity.calls.find(({ method }) => method === "resolveSession")?.call;
    expect(asked).toMatchObject({ tenant: "default", scopes: [] });
    expect(await runDue(replica())).toBe(0);
    const { nextDueTime, lastRun } = await stored("one");
    expect(nextDueTime?.getTime()).toBeGreaterThan(begunMs);
    expect(nextDueTime?.getMinutes()).toBe(0);
    expect(lastRun).toMatchObject({ dueTime: times[0], reason: "" });
    expect(lane.runner.turns.map(({ turnId }) => turnId)).toContain(lastRun?.turnId);
  });

  test("is run by another replica where the first dies between claim and admission", async () => {
    const at = await due("one");
    const claimed = await store.claim({ token: crypto.randomUUID(), leaseMs: 60_000, limit: 9 });
    expect(claimed).toHaveLength(1);
    expect(await runDue(replica())).toBe(0);
    await expireLeases();
    expect(await runDue(replica())).toBe(1);
    expect(keys()).toEqual([keyOf("one", at)]);
  });

  test("is not doubled where it dies between admission and its record", async () => {
    const at = await due("one");
    const settle = async (): Promise<never> => {
      throw storeUnavailable("killed");
    };
    await runDue(replica({ store: { ...store, settle } }));
    expect(keys()).toEqual([keyOf("one", at)]);
    await db.query("UPDATE schedules SET message = 'changed since'");
    await expireLeases();
    await runDue(replica());
    expect(keys()).toEqual([keyOf("one", at)]);
    expect((await stored("one")).lastRun).toMatchObject({ turnId: lane.runner.last.turnId });
  });

  test("is not moved by a replica whose lease was lost to another", async () => {
    const at = await due("one");
    const [slow] = await store.claim({ token: crypto.randomUUID(), leaseMs: 60_000, limit: 9 });
    if (slow === undefined) throw new Error("nothing was claimed");
    await expireLeases();
    await runDue(replica());
    const before = await stored("one");
    const run = { dueTime: at, turnId: "slow", reason: "", errorMessage: "" };
    await store.settle(slow, { run, missedTime: undefined, nextDueTime: new Date(0) });
    expect(await stored("one")).toEqual(before);
  });

  test("is tried again where nobody answers, and the answer that was lost is found", async () => {
    const at = await due("one");
    const runner = {
      ...lane.clients.runner,
      findTurn: lane.clients.runner.findTurn,
      submitTurn: async (...asked: Parameters<typeof lane.clients.runner.submitTurn>) => {
        await lane.clients.runner.submitTurn(...asked);
        throw storeUnavailable("the answer was lost");
      },
    };
    const { log, lines } = captureLog();
    await runDue(replica({ runner, log }));
    expect(JSON.stringify(lines)).toContain("is not accepted yet");
    expect(await stored("one")).toMatchObject({ nextDueTime: at, lastRun: undefined });
    expect(await runDue(replica())).toBe(0);
    await expireLeases();
    await runDue(replica());
    expect(keys()).toEqual([keyOf("one", at)]);
    expect((await stored("one")).lastRun).toMatchObject({ turnId: lane.runner.last.turnId });
  });

  test("that an overloaded neighbour refuses for a moment is tried again, and not left out", async () => {
    const at = await due("one");
    lane.runner.refusal = later("RATE_LIMITED", "as many calls as it may", 1_000);
    await runDue(replica());
    expect(await stored("one")).toMatchObject({ nextDueTime: at, lastRun: undefined });
    lane.runner.refusal = undefined;
    await expireLeases();
    await runDue(replica());
    expect(keys()).toEqual([keyOf("one", at)]);
    expect((await stored("one")).lastRun).toMatchObject({ dueTime: at, reason: "" });
  });

  test("whose lane is merged into another under it runs there", async () => {
    const at = await due("one");
    const { runner: it } = lane.clients;
    let asked = 0;
    const submitTurn: typeof it.submitTurn = async (...call) => {
      asked += 1;
      if (asked === 1) throw new LanekeeperError("KEY_MOVED", "merged between two calls");
      return it.submitTurn(...call);
    };
    await runDue(replica({ runner: { findTurn: it.findTurn, submitTurn } }));
    expect(keys()).toEqual([keyOf("one", at)]);
    expect((await stored("one")).lastRun).toMatchObject({ dueTime: at, reason: "" });
    const resolved = lane.identity.calls.filter(({ method }) => method === "resolveSession");
    expect(resolved).toHaveLength(2);
  });

  test("is of one trace in its line and at every neighbour, however it goes", async () => {
    await using _spans = await recordSpans();
    const { log, lines } = captureLog();
    const goes = [
      ["scheduled turn", undefined],
      ["was refused", later("SESSION_BUSY", "the lane is busy", 1_000)],
      ["is not accepted yet", storeUnavailable("away")],
    ] as const;
    const seen = new Set<unknown>();
    for (const [nth, [said, refusal]] of goes.entries()) {
      const key = keyOf(`one-${nth}`, await due(`one-${nth}`));
      lane.runner.refusal = refusal;
      await runDue(replica({ log }));
      const told = lines.filter(({ request_id }) => request_id === key);
      expect(told.map(({ msg }) => msg)).toEqual([expect.stringContaining(said)]);
      const calls = [...lane.identity.calls, ...lane.runner.calls];
      const ofIt = calls.filter(({ call: { requestId } }) => requestId === key);
      expect(ofIt.length).toBeGreaterThan(1);
      const traces = ofIt.map(({ call: { traceparent } }) => traceparent?.split("-")[1]);
      expect(new Set(traces)).toEqual(new Set([told[0]?.["trace_id"]]));
      seen.add(told[0]?.["trace_id"]);
    }
    expect(seen).not.toContain(undefined);
    expect(seen.size).toBe(goes.length);
  });

  test("of an agent that is gone opens no session, and is recorded", async () => {
    await due("orphan", 0, { agentId: "helper" });
    lane.runner.agentIds = ["main"];
    const before = lane.identity.sessions.size;
    await runDue(replica());
    expect(await stored("orphan")).toMatchObject({ lastRun: { reason: "UNKNOWN_MODEL" } });
    expect([lane.identity.sessions.size, keys()]).toEqual([before, []]);
  });

  test.each([
    ["SESSION_BUSY", later("SESSION_BUSY", "the lane is busy", 1_000)],
    ["UNKNOWN_MODEL", new LanekeeperError("UNKNOWN_MODEL", "there is no such agent")],
  ])("that is refused with %s is recorded, and the clock goes on", async (reason, refusal) => {
    await due("one");
    lane.runner.refusal = refusal;
    const begunMs = Date.now();
    await runDue(replica());
    const { nextDueTime, lastRun } = await stored("one");
    expect(lastRun).toMatchObject({ reason, turnId: "", errorMessage: refusal.message });
    expect(nextDueTime?.getTime()).toBeGreaterThan(begunMs);
  });

  test("of a schedule that was paused meanwhile is not put back", async () => {
    const at = await due("one");
    const [claimed] = await store.claim({ token: crypto.randomUUID(), leaseMs: 60_000, limit: 9 });
    if (claimed === undefined) throw new Error("nothing was claimed");
    await call("PauseSchedule", { scheduleId: "one" });
    const run = { dueTime: at, turnId: "t", reason: "", errorMessage: "" };
    await store.settle(claimed, { run, missedTime: undefined, nextDueTime: new Date() });
    const { isPaused, nextDueTime, lastRun } = await stored("one");
    expect([isPaused, nextDueTime, lastRun?.turnId]).toEqual([true, undefined, "t"]);
  });

  test("that was missed is made up for by the latest alone, or by none after 12 hours", async () => {
    const first = await due("hourly", 200);
    const old = await due("yearly", 800, { cron: "0 0 29 2 *" });
    await runDue(replica());
    expect(keys()).toHaveLength(1);
    expect(keys()[0]).toMatch(/^schedule\/hourly\/.*:00:00Z$/);
    const { lastRun, lastMissedTime } = await stored("hourly");
    expect(Date.now() - (lastRun?.dueTime.getTime() ?? 0)).toBeLessThan(3_600_000 + 120_000);
    expect(lastMissedTime).toEqual(first);
    expect(await stored("yearly")).toMatchObject({ lastMissedTime: old, lastRun: undefined });
  });

  test("is run by the loop of a replica", async () => {
    const at = await due("one");
    const limits = { scheduleTickMs: 10 };
    await using other = await startTestIngress({ scheduleStore: store, limits });
    await eventually(() => other.runner.turns.length === 1 || undefined);
    expect(other.runner.last.submit.idempotencyKey).toBe(keyOf("one", at));
    await eventually(async () => (await stored("one")).lastRun);
    await expect
      .poll(() => other.metrics())
      .toContain('schedule_runs_total{result="accepted",service="ingress"} 1');
  });
});
