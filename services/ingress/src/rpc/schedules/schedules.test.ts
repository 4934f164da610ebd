import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { ask } from "../../testing/ask.ts";
import {
  type SchedulesDatabase,
  startSchedulesDatabase,
} from "../../testing/schedules-database.ts";
import { startTestIngress, type TestIngress } from "../../testing/test-ingress.ts";

let database: SchedulesDatabase;
let lane: TestIngress;

beforeAll(async () => {
  database = await startSchedulesDatabase();
  const { store: scheduleStore } = database;
  const limits = { maxSchedules: 3, scheduleTickMs: 3_600_000, maxScheduleMessageBytes: 100 };
  lane = await startTestIngress({ scheduleStore, limits });
});
afterAll(async () => {
  await lane?.[Symbol.asyncDispose]();
  await database?.[Symbol.asyncDispose]();
});
beforeEach(async () => {
  await database.db.query("DELETE FROM schedules");
  lane.runner.turns.length = 0;
});

/** The least that a schedule needs. */
const SPEC = { scheduleId: "report", cron: "0 8 * * 1-5", message: "Write the report." };

const call = async (method: string, body: object, apiKey = lane.apiKey) => {
  const path = `/lanekeeper.ingress.v1.IngressService/${method}`;
  const answer = await ask(lane, { path, body, headers: { authorization: `Bearer ${apiKey}` } });
  return { ...answer, json: answer.json as Record<string, unknown> };
};
const listed = async () => {
  const { json } = await call("ListSchedules", {});
  return (json["schedules"] ?? []) as { spec: Record<string, unknown>; [name: string]: unknown }[];
};
const ids = async () => (await listed()).map(({ spec }) => spec["scheduleId"]);

test("a schedule is made, told, paused, resumed and removed", async () => {
  const { json } = await call("CreateSchedule", { spec: SPEC });
  const full = { ...SPEC, agentId: "main", timeZone: "UTC", onConflict: "ON_CONFLICT_ENQUEUE" };
  expect(json["schedule"]).toMatchObject({
    spec: full,
    sessionKey: "agent:main:cron:report",
    principal: "lk_test_",
    nextDueTime: expect.stringMatching(/T08:00:00Z$/),
  });
  expect(await listed()).toEqual([json["schedule"]]);
  expect((await call("CreateSchedule", { spec: SPEC })).json).toEqual(json);
  const paused = await call("PauseSchedule", { scheduleId: "report" });
  expect(paused.json["schedule"]).toMatchObject({ paused: true, spec: full });
  expect(paused.json["schedule"]).not.toHaveProperty("nextDueTime");
  const repeat = await call("PauseSchedule", { scheduleId: "report" });
  expect(repeat.json).toEqual(paused.json);
  const resumed = await call("ResumeSchedule", { scheduleId: "report" });
  expect(resumed.json).toEqual(json);
  expect((await call("ResumeSchedule", { scheduleId: "report" })).json).toEqual(json);
  expect((await call("DeleteSchedule", { scheduleId: "report" })).status).toBe(200);
  expect(await listed()).toEqual([]);
});

test("a run by hand is one turn of the system, however often it is asked for", async () => {
  await call("CreateSchedule", { spec: SPEC });
  await call("PauseSchedule", { scheduleId: "report" });
  const asked = { scheduleId: "report", requestId: "now-1" };
  const first = await call("RunSchedule", asked);
  expect(first.json).toMatchObject({ disposition: "DISPOSITION_STARTED" });
  const { turnId } = first.json;
  expect((await call("RunSchedule", asked)).json).toEqual({
    turnId,
    disposition: "DISPOSITION_JOINED",
  });
  expect(lane.runner.turns).toHaveLength(1);
  const { submit, principal } = lane.runner.last;
  expect(principal).toBe("lk_test_");
  expect(submit.origin).toMatchObject({ source: "schedule", rawKey: "cron:report" });
});

test.each([
  ["no spec", undefined, "spec"],
  ["a name that is none", { scheduleId: "Report" }, "spec.schedule_id"],
  ["a name that would leave its key", { scheduleId: "a:b" }, "spec.schedule_id"],
  ["no name", { scheduleId: "" }, "spec.schedule_id"],
  ["an agent id that is none", { agentId: "Main!" }, "spec.agent_id"],
  ["no times", { cron: "" }, "spec.cron"],
  ["six fields", { cron: "* * * * * *" }, "spec.cron"],
  ["a date", { cron: "2026-01-01T00:00:00" }, "spec.cron"],
  ["a time that never comes", { cron: "0 0 31 2 *" }, "spec.cron"],
  ["a zone that is none", { timeZone: "Mars/Base" }, "spec.time_zone"],
  ["no message", { message: " " }, "spec.message"],
  ["a message over the bound", { message: "é".repeat(51) }, "spec.message"],
  ["a message with U+0000", { message: "a\0b" }, "spec.message"],
  ["another conflict", { onConflict: "ON_CONFLICT_INTERRUPT" }, "spec.on_conflict"],
  ["a route that is none", { routeId: "slack" }, "spec.route_id"],
] as const)("%s is refused, and nothing is stored", async (_what, change, field) => {
  const body = change === undefined ? {} : { spec: { ...SPEC, ...change } };
  const { status, text } = await call("CreateSchedule", body);
  expect(text).toContain(`${field}: `);
  expect(status).toBe(400);
  expect(await listed()).toEqual([]);
});

test.each([
  ["CreateSchedule", { spec: { ...SPEC, agentId: "nobody" } }, 404, "UNKNOWN_MODEL"],
  ["CreateSchedule", { spec: { ...SPEC, scheduelId: "x" } }, 400, "scheduelId"],
  ["DeleteSchedule", { scheduleId: "none" }, 404, "NOT_FOUND"],
  ["PauseSchedule", { scheduleId: "none" }, 404, "NOT_FOUND"],
  ["ResumeSchedule", { scheduleId: "none" }, 404, "NOT_FOUND"],
  ["RunSchedule", { scheduleId: "none", requestId: "r" }, 404, "NOT_FOUND"],
  ["RunSchedule", { scheduleId: "none" }, 400, "request_id"],
  ["DeleteSchedule", {}, 400, "schedule_id"],
])("%s %j: %i %s", async (method, body, status, told) => {
  const answer = await call(method, body);
  expect(reasons(answer.text)).toContain(told);
  expect(answer.status).toBe(status);
});

test("another schedule under a name is refused, and so is one above the bound", async () => {
  await call("CreateSchedule", { spec: SPEC });
  const other = await call("CreateSchedule", { spec: { ...SPEC, cron: "@daily" } });
  expect(reasons(other.text)).toContain("IDEMPOTENCY_MISMATCH");
  const more = ["b", "c", "d"].map((scheduleId) =>
    call("CreateSchedule", { spec: { ...SPEC, scheduleId } }),
  );
  const statuses = (await Promise.all(more)).map(({ status }) => status);
  expect(statuses.toSorted((a, b) => a - b)).toEqual([200, 200, 429]);
  expect(await ids()).toHaveLength(3);
});

test("operators alone, and those of an agent only its schedules", async () => {
  await call("CreateSchedule", { spec: { ...SPEC, agentId: "main" } });
  await call("CreateSchedule", { spec: { ...SPEC, scheduleId: "helps", agentId: "helper" } });
  const chat = lane.credentials.add("lk_chat_key_0123456789abcdef", { scopes: ["chat"] });
  expect((await call("ListSchedules", {}, chat)).status).toBe(403);
  const bound = lane.credentials.add("lk_of_helper_0123456789abcdef", { agents: ["helper"] });
  const { json } = await call("ListSchedules", {}, bound);
  expect(json["schedules"]).toMatchObject([{ spec: { scheduleId: "helps" } }]);
  for (const method of ["DeleteSchedule", "PauseSchedule", "ResumeSchedule"]) {
    expect((await call(method, { scheduleId: "report" }, bound)).status).toBe(404);
  }
  const run = { scheduleId: "report", requestId: "r" };
  expect((await call("RunSchedule", run, bound)).status).toBe(404);
  const elsewhere = lane.credentials.add("lk_elsewhere_0123456789abcdef", { tenant: "other" });
  expect((await call("PauseSchedule", { scheduleId: "report" }, elsewhere)).status).toBe(404);
  expect((await call("ListSchedules", {}, elsewhere)).json).toEqual({});
});

test("a key that is bound to prefixes manages the schedules whose key begins so, and knows of no others", async () => {
  await call("CreateSchedule", { spec: SPEC });
  const shop = lane.credentials.add("lk_of_shop_0123456789abcdef", {
    keyPrefixes: ["agent:main:cron:shop-", "agent:main:shop:"],
  });
  const spec = { ...SPEC, scheduleId: "shop-report" };
  expect((await call("CreateSchedule", { spec }, shop)).status).toBe(200);
  const { json } = await call("ListSchedules", {}, shop);
  expect(json["schedules"]).toMatchObject([{ spec: { scheduleId: "shop-report" } }]);
  for (const method of ["PauseSchedule", "ResumeSchedule"]) {
    expect((await call(method, { scheduleId: "shop-report" }, shop)).status).toBe(200);
  }
  const byHand = { requestId: "by-hand" };
  const run = await call("RunSchedule", { scheduleId: "shop-report", ...byHand }, shop);
  expect(run.json).toMatchObject({ disposition: "DISPOSITION_STARTED" });

  for (const method of ["DeleteSchedule", "PauseSchedule", "ResumeSchedule", "RunSchedule"]) {
    const told = async (scheduleId: string) => {
      const body = { scheduleId, ...(method === "RunSchedule" ? byHand : {}) };
      const { status, json } = await call(method, body, shop);
      return [method, status, String(json["message"]).replaceAll(scheduleId, "<id>")];
    };
    const ofNone = await told("never-was");
    expect(ofNone[1]).toBe(404);
    expect(await told("report")).toEqual(ofNone);
  }
  const before = await listed();
  const outside = await call("CreateSchedule", { spec: { ...SPEC, scheduleId: "mine" } }, shop);
  expect([outside.status, outside.text]).toEqual([403, expect.stringContaining("bound")]);
  const taken = await call("CreateSchedule", { spec: { ...SPEC, message: "Mine." } }, shop);
  expect(taken.status).toBe(403);
  expect(await listed()).toEqual(before);
  expect((await call("DeleteSchedule", { scheduleId: "shop-report" }, shop)).status).toBe(200);
  expect(await ids()).toEqual(["report"]);
});

test("a bound key's schedule may answer at a route of its own keys alone", async () => {
  const [own, others] = [randomUUID(), randomUUID()];
  lane.delivery.routeKeys.set(own, "agent:main:shop:1").set(others, "agent:main:desk:1");
  const shop = lane.credentials.add("lk_at_shop_0123456789abcdef", {
    keyPrefixes: ["agent:main:"],
  });
  const desk = lane.credentials.add("lk_at_desk_0123456789abcdef", {
    keyPrefixes: ["agent:main:cron:", "agent:main:shop:"],
  });
  const make = (scheduleId: string, routeId: string, key?: string) =>
    call("CreateSchedule", { spec: { ...SPEC, scheduleId, routeId } }, key);
  expect((await make("a", own, desk)).status).toBe(200);
  expect((await make("b", others, desk)).status).toBe(404);
  expect((await make("b", others, shop)).status).toBe(200);
  expect((await make("c", randomUUID())).status).toBe(200);
});

test("the configuration's are made, changed and removed as one; others and pauses stay", async () => {
  const spec = (scheduleId: string, more = {}) => ({
    ...SPEC,
    agentId: "main",
    scheduleId,
    ...more,
  });
  const apply = async (...schedules: object[]) =>
    (await call("ApplySchedules", { schedules })).json;
  await call("CreateSchedule", { spec: spec("mine") });
  expect(await apply(spec("a"), spec("b"))).toEqual({ created: 2 });
  expect(await apply(spec("a"), spec("b"))).toEqual({});
  await call("PauseSchedule", { scheduleId: "a" });
  expect(await apply(spec("a", { cron: "@hourly" }))).toEqual({ changed: 1, deleted: 1 });
  expect(await listed()).toMatchObject([
    { spec: { scheduleId: "a", cron: "@hourly" }, paused: true, fromConfig: true },
    { spec: { scheduleId: "mine" } },
  ]);
  const removed = await call("DeleteSchedule", { scheduleId: "a" });
  expect([removed.status, removed.text]).toEqual([400, expect.stringContaining("configuration's")]);
  expect(await apply(spec("mine"))).toEqual({ changed: 1, deleted: 1 });
  expect(await apply()).toEqual({ deleted: 1 });
});

test.each([
  ["one twice", [SPEC, SPEC], 400, "schedules[1].schedule_id"],
  ["one without an agent", [{ ...SPEC, agentId: "" }], 400, "schedules[0].agent_id"],
  ["more than the bound", ["b", "c", "d"].map((scheduleId) => ({ ...SPEC, scheduleId })), 429, "3"],
])("a configuration with %s changes nothing", async (_what, specs, status, told) => {
  await call("CreateSchedule", { spec: { ...SPEC, scheduleId: "mine" } });
  const schedules = specs.map((spec) => ({ agentId: "main", ...spec }));
  const answer = await call("ApplySchedules", { schedules });
  expect([answer.status, answer.text]).toEqual([status, expect.stringContaining(told)]);
  expect(await ids()).toEqual(["mine"]);
});

/** ErrorInfo stands in the answer as base64. */
function reasons(text: string): string {
  const details = [...text.matchAll(/"value":"([A-Za-z0-9+/]+)/g)];
  return text + details.map(([, value = ""]) => Buffer.from(value, "base64").toString()).join("\n");
}
