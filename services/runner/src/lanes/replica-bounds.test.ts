import { create } from "@bufbuild/protobuf";
import { TurnClass } from "@lanekeeper/protocol/lanekeeper/identity/v1/lifecycle";
import { Role, ToolCallSchema } from "@lanekeeper/protocol/lanekeeper/runner/v1/message";
import { BatcherOverloadedError } from "@lanekeeper/postgres";
import { AttachTurnRequestSchema } from "@lanekeeper/protocol/lanekeeper/runner/v1/runner_service";
import type { CallContext } from "@lanekeeper/rpc";
import { systemClock } from "@lanekeeper/service";
import { captureLog } from "@lanekeeper/service/testing";
import { expect, test } from "vitest";
import type { RunnerContext } from "../context.ts";
import { LIMITS } from "../limits.ts";
import type { ModelEvent } from "../models/model.ts";
import { attachTurn } from "../rpc/attach-turn.ts";
import { memorySave } from "../tools/memory-save.ts";
import { memorySearch } from "../tools/memory-search.ts";
import type { ToolContext } from "../tools/tool.ts";
import type { ToolDeps } from "../tools/tool-deps.ts";
import { Attachments } from "../attaching/attachments.ts";
import { textMessage } from "../domain/context.ts";
import { LostClaims } from "./lost-claims.ts";
import { PassedOver } from "./passed-over.ts";
import { LaneFeed } from "../watch/lane-feed.ts";
import { admit } from "../admission/admission.ts";
import { callModel } from "../answering/call-model.ts";
import type { RunnerDeps } from "../deps.ts";
import { LocalRuns } from "../runs/local-runs.ts";
import type { NestedParts } from "../nested/nested-send.ts";
import { spawn } from "../nested/spawn.ts";
import type { NewTurn } from "../store/admission/new-turn.ts";

const { log } = captureLog();

test("a replica runs as many turns as it may; one that waits for another lane makes room", async () => {
  const runs = new LocalRuns(() => undefined);
  const place = { tenant: "t", sessionKey: undefined, log };
  for (let n = 0; n < LIMITS.activeRunsPerReplica; n++) {
    expect(runs.rooms.hasFor("t")).toBe(true);
    runs.open({ ...place, turnId: `t${n}`, runId: `r${n}` });
  }
  expect(runs.rooms.hasFor("t")).toBe(false);
  await runs.asideWhile("r0", async () => expect(runs.rooms.hasFor("t")).toBe(true));
  expect(runs.rooms.hasFor("t")).toBe(false);
  runs.close("r1");
  expect(runs.rooms.hasFor("t")).toBe(true);
  // Stopped while it waits: it has no room to give back, and takes none again.
  runs.open({ ...place, turnId: "t", runId: "r" });
  await runs.asideWhile("r2", async () => runs.close("r2"));
  expect(runs.rooms.of("t")).toBe(LIMITS.activeRunsPerReplica - 1);
});

test("room that is held counts, is given back once, and who waits for some is told", () => {
  const runs = new LocalRuns(() => undefined);
  let told = 0;
  runs.onRoom = () => (told += 1);
  const rooms = Array.from({ length: LIMITS.activeRunsPerReplica }, () => runs.rooms.hold("t"));
  expect(rooms).not.toContain(undefined);
  expect(runs.rooms.hold("t")).toBeUndefined();
  rooms[0]?.release();
  rooms[0]?.release();
  expect(told).toBe(1);
  expect(runs.rooms.hold("t")).toBeDefined();
  expect(runs.rooms.hold("t")).toBeUndefined();
});

test("lanes that found no room are looked at as there is some, once each and in their order, as many as may", () => {
  const runs = new LocalRuns(() => undefined);
  const pumped: string[] = [];
  const taken: unknown[] = [];
  const passedOver = new PassedOver({
    ...{ runs, isDraining: () => false, goOn: () => undefined },
    pump: (_tenant, sessionKey) => {
      pumped.push(sessionKey);
      taken.push(runs.rooms.hold("t"));
    },
  });
  const rooms = Array.from({ length: LIMITS.activeRunsPerReplica }, () => runs.rooms.hold("t"));
  for (let n = 0; n <= LIMITS.passedOverLanes; n++) {
    expect(passedOver.roomFor("t", `k${n}`)).toBeUndefined();
    expect(passedOver.roomFor("t", "k0")).toBeUndefined();
  }
  expect(pumped).toEqual([]);
  rooms[0]?.release();
  rooms[1]?.release();
  expect(pumped).toEqual(["k0", "k1"]);
  for (const room of [...rooms, ...taken] as typeof rooms) room?.release();
  while (pumped.length < LIMITS.passedOverLanes) (taken.shift() as (typeof rooms)[0])?.release();
  for (const room of taken as typeof rooms) room?.release();
  expect(pumped).toEqual(Array.from({ length: LIMITS.passedOverLanes }, (_, n) => `k${n}`));
  expect(passedOver.roomFor("t", "new")).toBeDefined();
});

test("a replica that holds as many attachments as it may says so, with the bound", async () => {
  const attachments = new Attachments();
  const places = Array.from({ length: LIMITS.attachmentsPerReplica }, () => attachments.hold("t"));
  expect(places).not.toContain(undefined);
  const context = { attachments } as RunnerContext;
  const attach = (tenant: string) =>
    attachTurn(context)(create(AttachTurnRequestSchema), { tenant } as CallContext)
      [Symbol.asyncIterator]()
      .next();
  await expect(attach("t")).rejects.toMatchObject({
    reason: "RATE_LIMITED",
    metadata: { bound: "attachments_per_replica", limit: "20000" },
  });
  // Another tenant's, which has few, is not: its request has no target.
  await expect(attach("other")).rejects.toMatchObject({ reason: "INVALID_REQUEST" });
  expect(attachments.total).toBe(LIMITS.attachmentsPerReplica);
  places[0]?.[Symbol.dispose]();
  await expect(attach("t")).rejects.toMatchObject({ reason: "INVALID_REQUEST" });
});

test("of a crowd that attaches at once no more are let in than there is room for, before any is accepted", async () => {
  const attachments = new Attachments();
  const places = Array.from({ length: LIMITS.attachmentsPerReplica - 1 }, () =>
    attachments.hold("t"),
  );
  const agents = { listed: () => new Promise<never>(() => undefined) };
  const context = { attachments, agents, runner: { isDraining: false } };
  const target = {
    case: "submit" as const,
    value: {
      idempotencyKey: "k",
      fingerprint: new Uint8Array(32),
      target: { case: "statelessAgentId" as const, value: "main" },
      turnClass: TurnClass.PERSON,
      messages: [textMessage(Role.USER, "hi")],
    },
  };
  const attach = () =>
    attachTurn(context as unknown as RunnerContext)(create(AttachTurnRequestSchema, { target }), {
      tenant: "t",
      principal: "p",
      scopes: undefined,
      agents: [],
      keyPrefixes: [],
    } as never)
      [Symbol.asyncIterator]()
      .next();
  void attach();
  await expect(attach()).rejects.toMatchObject({ reason: "RATE_LIMITED" });
  expect(places.length + 1).toBe(attachments.total);
});

test("where as many turns wait to be stored as may, one more is refused with the bound", async () => {
  const overloaded = () => Promise.reject(new BatcherOverloadedError(LIMITS.stepsWaiting));
  const deps = { runIds: { mint: () => "u" }, replica: "a", steps: { admit: overloaded } };
  const turn = { session: { sessionKey: "agent:main:x" }, messages: [], onConflict: 1 };
  const options = { claimRunId: undefined, hasCaller: false, maxWaiting: 1 };
  const work = admit(deps as unknown as RunnerDeps, turn as unknown as NewTurn, options);
  await expect(work).rejects.toMatchObject({
    reason: "RATE_LIMITED",
    metadata: { limit: "20000" },
  });
});

test("a replica serves as many watches of lanes as it may; one that ends makes room", () => {
  const query = () => new Promise<never>(() => undefined);
  const clock = { ...systemClock, setTimer: () => ({ cancel: () => undefined }) };
  const feed = new LaneFeed({ db: { query }, clock, log } as unknown as RunnerDeps);
  const all = () => true;
  const joined = Array.from({ length: LIMITS.laneWatchersPerReplica }, () => feed.join("t", all));
  const refused = { reason: "RATE_LIMITED", metadata: { limit: "200" } };
  expect(() => feed.join("t", all)).toThrow(expect.objectContaining(refused));
  joined[0]?.leave();
  feed.join("other", all);
});

test("more lanes than are watched at once end the watch, with the bound", async () => {
  let page = 0;
  const query = async () => {
    page += 1;
    const rows = Array.from({ length: LIMITS.laneWatchPage }, (_, n) => ({
      ...{ tenant: "t", sessionKey: `agent:main:${page}-${n}`, version: "1", heartbeat: "" },
    }));
    return { rows, rowCount: rows.length };
  };
  const feed = new LaneFeed({ db: { query }, clock: systemClock, log } as unknown as RunnerDeps);
  const { subscription, leave } = feed.join("t", () => true);
  await expect(subscription.next(new AbortController().signal)).rejects.toMatchObject({
    reason: "QUOTA",
    metadata: { limit: "100000" },
  });
  leave();
});

/** A model that says so many pieces of a MiB, as text or as a call, `before` of which it said before. */
async function askOneThatSays(pieces: number, what: "text" | "call", before = 0): Promise<unknown> {
  const piece = "x".repeat(1024 * 1024);
  const call = create(ToolCallSchema, { callId: "c", name: "t", argumentsJson: piece });
  const model = {
    name: "m",
    async *stream(): AsyncIterable<ModelEvent> {
      for (let n = before; n < pieces; n++) {
        yield what === "text" ? { type: "text", text: piece } : { type: "tool_call", call };
      }
      yield { type: "end", finishReason: "stop", inputTokens: 1, outputTokens: 1, model: "m" };
    },
  };
  const job = { model, tools: [], turn: { parameters: "{}" }, stream: { emit: () => undefined } };
  const { signal } = new AbortController();
  return callModel(
    { ...job, signal } as unknown as Parameters<typeof callModel>[0],
    [],
    before * piece.length,
  );
}

test.each([
  ["text", 0],
  ["text", 3],
  ["call", 0],
  ["call", 3],
] as const)(
  "an answer of more bytes than it may have fails: %s, after %d MiB in earlier calls of the model",
  async (what, before) => {
    await expect(askOneThatSays(4, what, before)).resolves.toBeDefined();
    await expect(askOneThatSays(5, what, before)).rejects.toMatchObject({
      reason: "MODEL_FAILED",
      message: `the model's answer has more than ${LIMITS.replyBytes} bytes`,
    });
  },
);

const memory = { save: async () => false, search: async () => [] };
const context = { session: { sessionKey: "agent:main:x" } } as unknown as ToolContext;

test.each([
  ["a long memory", memorySave, { text: "x".repeat(8_001) }, "8000"],
  ["a memory too many", memorySave, { text: "x" }, "10000"],
  ["a search for too many", memorySearch, { query: "x", limit: 51 }, "50"],
])("%s is refused, and the model told the bound", async (_what, tool, args, bound) => {
  const outcome = await tool({ memory } as unknown as ToolDeps).run(JSON.stringify(args), context);
  expect(outcome.isError).toBe(true);
  expect(outcome.text).toMatch(/^(INVALID_REQUEST|QUOTA)/);
  expect(outcome.text).toContain(bound);
});

test("a chain of sends that has used its hops spawns nothing either", async () => {
  const callChain = Array.from({ length: LIMITS.hopBudget }, (_, n) => `agent:main:${n}`);
  const from = { ...context, callChain };
  const task = { from, agentId: undefined, text: "x", wait: false };
  await expect(spawn({} as NestedParts, task)).rejects.toMatchObject({
    reason: "HOP_LIMIT",
    message: expect.stringContaining("8 hops"),
    metadata: { bound: "hop_budget", limit: "8" },
  });
});

test("of admissions whose answers were lost so many are looked after; a recent one is looked at again", async () => {
  let nowMs = 0;
  let asked = 0;
  const clock = { ...systemClock, monotonicMs: () => nowMs };
  const db = { transaction: async () => (asked += 1) % 2 === 0 };
  const freed: string[] = [];
  const lost = new LostClaims({ db, clock, log } as unknown as RunnerDeps, (_tenant, key) =>
    freed.push(key),
  );
  for (let n = 0; n <= LIMITS.lostClaimsPerReplica; n++) {
    lost.add({ tenant: "t", sessionKey: `k${n}`, turnId: `t${n}`, runId: `r${n}` });
  }
  await lost.giveBack();
  expect(asked).toBe(LIMITS.lostClaimsPerReplica);
  expect(freed.length).toBe(LIMITS.lostClaimsPerReplica / 2);
  nowMs = LIMITS.sweepMs;
  await lost.giveBack();
  await lost.giveBack();
  expect(asked).toBe(LIMITS.lostClaimsPerReplica * 1.5);
});
