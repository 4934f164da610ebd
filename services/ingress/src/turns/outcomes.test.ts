import { SessionBusySchema } from "@lanekeeper/protocol/lanekeeper/identity/v1/session";
import { Disposition, TurnState } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { errorDetail, LanekeeperError, later } from "@lanekeeper/rpc";
import OpenAI from "openai";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ask, HELLO } from "../testing/ask.ts";
import { holdTurn } from "../testing/stand-in-runner.ts";
import { startTestIngress, type TestIngress } from "../testing/test-ingress.ts";

let lane: TestIngress;

beforeEach(async () => {
  lane = await startTestIngress();
});

afterEach(async () => {
  await lane[Symbol.asyncDispose]();
});

const keyed = (headers: Record<string, string> = {}) => ({
  headers: { "x-session-key": "kitchen", ...headers },
});

describe("an Idempotency-Key", () => {
  const once = { headers: { "x-session-key": "kitchen", "idempotency-key": "k-1" } };

  test("makes two requests one turn, and the second says joined", async () => {
    const first = await ask(lane, once);
    const second = await ask(lane, once);
    expect(lane.runner.turns).toHaveLength(1);
    expect(lane.runner.last.submit).toMatchObject({ idempotencyKey: "k-1", keyIsGenerated: false });
    expect(second.headers).toMatchObject({
      "x-lane-disposition": "joined",
      "x-turn-id": first.headers["x-turn-id"],
      "x-session-id": first.headers["x-session-id"],
    });
    expect(second.json).toMatchObject({ choices: [{ message: { content: "Hello, world" } }] });
    // Found by its key, so the name is not resolved again: it may lead elsewhere by now.
    expect(lane.identity.calls).toHaveLength(1);
  });

  test("joins a turn that has not ended", async () => {
    lane.runner.script = holdTurn;
    const both = [ask(lane, once), ask(lane, once)];
    await expect.poll(() => lane.runner.attachCount()).toBe(2);
    lane.runner.last.begin().say("Once").complete();
    const answers = await Promise.all(both);
    expect(lane.runner.turns).toHaveLength(1);
    for (const { json } of answers) {
      expect(json).toMatchObject({ choices: [{ message: { content: "Once" } }] });
    }
    const words = answers.map(({ headers }) => headers["x-lane-disposition"]);
    expect(new Set(words)).toEqual(new Set(["joined", "started"]));
  });

  test.each([
    ["other words", { body: { ...HELLO, temperature: 1 } }],
    ["another session", { headers: { ...once.headers, "x-session-key": "cellar" } }],
    ["another agent", { headers: { ...once.headers, "x-agent-id": "helper" } }],
  ])("with %s is IDEMPOTENCY_MISMATCH", async (_what, other) => {
    await ask(lane, once);
    const { status, json, headers } = await ask(lane, { ...once, ...other });
    expect([status, json]).toMatchObject([422, { error: { code: "IDEMPOTENCY_MISMATCH" } }]);
    expect(headers["x-should-retry"]).toBe("false");
  });
});

test("a repeat of a request whose turn was erased is told so, and its name is not resolved again", async () => {
  const once = keyed({ "idempotency-key": "k-1" });
  await ask(lane, once);
  lane.runner.erased.add(lane.runner.last);
  const { status, json, headers } = await ask(lane, once);
  expect([status, json]).toMatchObject([404, { error: { code: "NOT_FOUND" } }]);
  expect(headers["x-should-retry"]).toBe("false");
  expect(lane.identity.calls).toHaveLength(1);
  expect(lane.runner.turns).toHaveLength(1);
});

describe("a turn without an answer", () => {
  test.each([
    [TurnState.SUPERSEDED, "", 409, "SUPERSEDED"],
    [TurnState.SKIPPED, "TURN_SKIPPED", 409, "TURN_SKIPPED"],
    [TurnState.INTERRUPTED, "", 409, "TURN_INTERRUPTED"],
    [TurnState.CANCELLED, "", 409, "TURN_CANCELLED"],
    [TurnState.FAILED, "MODEL_FAILED", 502, "MODEL_FAILED"],
    [TurnState.FAILED, "MODEL_TIMEOUT", 504, "MODEL_TIMEOUT"],
    [TurnState.FAILED, "QUEUE_TIMEOUT", 504, "QUEUE_TIMEOUT"],
    [TurnState.FAILED, "GENERATION_MISMATCH", 409, "GENERATION_MISMATCH"],
    [TurnState.FAILED, "STORE_UNAVAILABLE", 503, "STORE_UNAVAILABLE"],
    [TurnState.FAILED, "OF_A_LATER_RELEASE", 500, "INTERNAL"],
  ] as const)(
    "that ended %s with %j is %i %s and says not to retry",
    async (state, errorReason, status, code) => {
      lane.runner.script = (turn) => turn.begin().end({ state, errorReason, errorMessage: "why" });
      const { status: got, json, headers } = await ask(lane, keyed());
      const { turnId } = lane.runner.last;
      expect(json).toMatchObject({
        error: { code, message: "why", lanekeeper: { turn_id: turnId, should_retry: false } },
      });
      expect(got).toBe(status);
      expect(headers).toMatchObject({
        "x-should-retry": "false",
        "x-turn-id": turnId,
        "x-lane-disposition": "started",
        "x-session-key": "agent:main:kitchen",
      });
      expect(lane.log.lines.some(({ msg }) => msg === "internal error")).toBe(false);
    },
  );

  test("a coalesced one is answered by its host", async () => {
    lane.runner.script = holdTurn;
    const host = ask(lane, keyed());
    await expect.poll(() => lane.runner.turns.length).toBe(1);
    const hostTurn = lane.runner.last;
    lane.runner.disposition = Disposition.QUEUED;
    const part = ask(lane, keyed());
    await expect.poll(() => lane.runner.turns.length).toBe(2);
    lane.runner.last.end({ state: TurnState.COALESCED, intoTurnId: hostTurn.turnId });
    hostTurn.begin().say("For both").complete();
    const [, answer] = await Promise.all([host, part]);
    expect(answer.json).toMatchObject({
      choices: [{ message: { content: "For both" } }],
      lanekeeper: { turn_id: lane.runner.last.turnId, run_id: hostTurn.runId },
    });
    expect(answer.headers["x-lane-disposition"]).toBe("queued");
  });
});

describe("a refusal of the runner", () => {
  test("SESSION_BUSY tells the holder and when to come again", async () => {
    const detail = errorDetail(SessionBusySchema, {
      holder: { runId: "r-1", turnId: "t-1" },
      heartbeatAge: { seconds: 2n },
      depth: 3,
    });
    lane.runner.refusal = later("SESSION_BUSY", "a run holds the lane", 2_500, {
      details: [detail],
    });
    const { status, json, headers } = await ask(lane, keyed({ "x-on-conflict": "reject" }));
    expect(status).toBe(409);
    expect(headers).toMatchObject({
      "retry-after": "3",
      "x-should-retry": "true",
      "x-lane-disposition": "rejected",
      "x-session-key": "agent:main:kitchen",
    });
    expect(json).toMatchObject({
      error: {
        code: "SESSION_BUSY",
        lanekeeper: {
          busy: { holder_run_id: "r-1", holder_turn_id: "t-1", heartbeat_age_ms: 2_000, depth: 3 },
        },
      },
    });
  });

  test("QUEUE_FULL is 429 with Retry-After, and the openai package tells it by its class", async () => {
    lane.runner.refusal = later("QUEUE_FULL", "128 turns wait in the lane", 1_000);
    const client = new OpenAI({ apiKey: lane.apiKey, baseURL: `${lane.url}/v1`, maxRetries: 0 });
    const messages = [{ role: "user" as const, content: "Hi" }];
    const failed = client.chat.completions.create({ model: "lanekeeper", messages }, keyed());
    await expect(failed).rejects.toThrow(OpenAI.RateLimitError);
    await expect(failed).rejects.toMatchObject({ status: 429, code: "QUEUE_FULL" });
  });

  test("a defect is 500 with an error id that the log carries", async () => {
    lane.runner.refusal = new Error("a secret of the inside");
    const { status, json, text } = await ask(lane, keyed());
    expect(status).toBe(500);
    expect(text).not.toContain("a secret of the inside");
    expect(json).toMatchObject({
      error: { code: "INTERNAL", lanekeeper: { metadata: { error_id: expect.any(String) } } },
    });
  });

  test("a refusal of our own service credential is no 401 for the caller", async () => {
    lane.identity.refusal = new LanekeeperError("UNAUTHENTICATED", "no such service", {
      metadata: { service_identity: "ingress" },
    });
    const { status, json } = await ask(lane, keyed());
    expect([status, json]).toMatchObject([500, { error: { code: "INTERNAL" } }]);
  });
});
