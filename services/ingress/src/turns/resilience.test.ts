import { fromBinary } from "@bufbuild/protobuf";
import { ErrorInfoSchema } from "@lanekeeper/protocol/google/rpc/error_details";
import { Code, RpcError, storeUnavailable } from "@lanekeeper/rpc";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ask, events, HELLO } from "../testing/ask.ts";
import { rawStream } from "../testing/raw-stream.ts";
import { holdTurn } from "../testing/stand-in-runner.ts";
import { startTestIngress, type TestIngress } from "../testing/test-ingress.ts";

let lane: TestIngress;

beforeEach(async () => {
  lane = await startTestIngress({ limits: { slowReaderMs: 200 } });
});

afterEach(async () => {
  await lane[Symbol.asyncDispose]();
});

const STREAM = { ...HELLO, stream: true };
const KEYED = { headers: { "x-session-key": "kitchen" } };

/** Resolves once the runner has accepted `count` turns. */
const accepted = (count = 1) => expect.poll(() => lane.runner.turns.length).toBe(count);

describe("the runner's stream breaking is not the caller's trouble:", () => {
  test("it is attached to again after the last event, and nothing is told twice", async () => {
    lane.runner.script = holdTurn;
    const answer = ask(lane, { ...KEYED, body: STREAM });
    await accepted();
    lane.runner.last.begin().say("One, ");
    await expect.poll(() => lane.runner.attachCount()).toBe(1);
    await saidSoFar("One, ");
    lane.runner.breakStreams();
    await expect.poll(() => lane.runner.attachCount()).toBe(2);
    lane.runner.last.say("two").complete();
    const { text } = await answer;
    expect(contentOf(text)).toBe("One, two");
    expect(lane.runner.turns).toHaveLength(1);
    expect(lane.runner.calls.at(-1)?.request).toMatchObject({
      target: { case: "turnId", value: lane.runner.last.turnId },
      afterStreamSeq: 2n,
    });
  });

  test("a killed replica is found again when it is back", async () => {
    lane.runner.script = holdTurn;
    const answer = ask(lane, KEYED);
    await accepted();
    await lane.restartRunner();
    lane.runner.last.begin().say("Still here").complete();
    const { status, json } = await answer;
    expect(status).toBe(200);
    expect(json).toMatchObject({ choices: [{ message: { content: "Still here" } }] });
    expect(lane.runner.turns).toHaveLength(1);
  });

  test("a break before `accepted` submits again under the same key, and is one turn", async () => {
    lane.runner.breakBeforeAccepted = 2;
    const { status, headers } = await ask(lane, KEYED);
    expect(status).toBe(200);
    expect(lane.runner.attachCount()).toBe(3);
    expect(lane.runner.turns).toHaveLength(1);
    expect(headers["x-turn-id"]).toBe(lane.runner.last.turnId);
  });

  test("a replica that hangs before `accepted` is given up on", async () => {
    await using other = await startTestIngress({ limits: { attachAttemptMs: 200, awaitMs: 1 } });
    other.runner.acceptance = new Promise(() => undefined);
    const answer = ask(other, KEYED);
    await expect.poll(() => other.runner.attachCount()).toBeGreaterThan(0);
    other.runner.acceptance = undefined;
    expect((await answer).status).toBe(200);
    expect(other.runner.attachCount()).toBeGreaterThan(1);
  });

  test("a runner that accepts nothing in time is STORE_UNAVAILABLE, to be asked again", async () => {
    await using other = await startTestIngress({ limits: { admissionTimeoutMs: 50 } });
    other.runner.refusal = new RpcError(Code.UNAVAILABLE, "gone");
    const { status, json, headers } = await ask(other, KEYED);
    expect([status, json]).toMatchObject([503, { error: { code: "STORE_UNAVAILABLE" } }]);
    expect(headers).toMatchObject({ "x-should-retry": "true", "retry-after": "1" });
    expect(silentIn(json)).toBe("runner");
  });

  test("the service that the runner waited for is named, not the runner", async () => {
    await using other = await startTestIngress({ limits: { admissionTimeoutMs: 50 } });
    const message = "session-identity: the database cannot be reached";
    other.runner.refusal = storeUnavailable(message, undefined, "session-identity");
    const { json } = await ask(other, KEYED);
    expect(silentIn(json)).toBe("session-identity");
    expect(json).toMatchObject({ error: { message: expect.stringContaining(message) } });
    const line = () => other.log.lines.find(({ msg }) => msg === "request");
    await expect.poll(line).toMatchObject({ silent_service: "session-identity" });
  });

  test("a service that cannot be reached is named over Connect too, and its address is not", async () => {
    await using other = await startTestIngress();
    await other.stopIdentity();
    const path = "/lanekeeper.identity.v1.SessionIdentityService/GetSession";
    const { status, json } = await ask(other, { path, body: { sessionKey: "agent:main:a" } });
    const message = "session-identity cannot be reached";
    expect([status, json]).toMatchObject([503, { code: "unavailable", message }]);
    const [info] = (json as { details: { value: string }[] }).details;
    const bytes = Buffer.from(info?.value ?? "", "base64");
    expect(fromBinary(ErrorInfoSchema, bytes).metadata).toEqual({ service: "session-identity" });
    expect(bytes.toString()).not.toContain("127.0.0.1");
    const line = () => other.log.lines.find(({ msg }) => msg === "request");
    await expect.poll(line).toMatchObject({ status: 503, silent_service: "session-identity" });
  });

  test("of a turn that may have been accepted the retry is the same turn, and so is who shows its key", async () => {
    await using other = await startTestIngress({ limits: { admissionTimeoutMs: 50 } });
    other.runner.breakBeforeAccepted = 1_000;
    const { status, json } = await ask(other, KEYED);
    const { error } = json as { error: { message: string } };
    expect([status, error]).toMatchObject([503, { code: "STORE_UNAVAILABLE" }]);
    expect(silentIn(json)).toBe("runner");
    const [, key = ""] = /Idempotency-Key (\S+),/.exec(error.message) ?? [];
    other.runner.breakBeforeAccepted = 0;
    const retry = { ...KEYED.headers, "x-stainless-retry-count": "1" };
    expect((await ask(other, { headers: retry })).status).toBe(200);
    const shown = { ...KEYED.headers, "idempotency-key": key };
    expect((await ask(other, { headers: shown })).status).toBe(200);
    expect(other.runner.turns).toHaveLength(1);
    // Who says the same once more, and is no retry, means it.
    expect((await ask(other, KEYED)).status).toBe(200);
    expect(other.runner.turns).toHaveLength(2);
    // Also where that took a retry: the first one has been answered.
    expect((await ask(other, { headers: retry })).status).toBe(200);
    expect(other.runner.turns).toHaveLength(3);
  });

  test("so is one that no stream was ever had of", async () => {
    await using other = await startTestIngress({ limits: { reattachTimeoutMs: 50, awaitMs: 1 } });
    other.runner.script = holdTurn;
    other.runner.refusalOfStreams = new RpcError(Code.UNAVAILABLE, "gone");
    const { status, json, headers } = await ask(other, KEYED);
    const turn = { turn_id: other.runner.last.turnId };
    expect([status, json]).toMatchObject([
      503,
      { error: { code: "WAIT_EXPIRED", lanekeeper: turn } },
    ]);
    expect(headers["x-should-retry"]).toBe("true");
  });

  test("an accepted turn that no runner serves any more is WAIT_EXPIRED with its id", async () => {
    await using other = await startTestIngress({ limits: { reattachTimeoutMs: 50, awaitMs: 1 } });
    other.runner.script = holdTurn;
    const answer = ask(other, KEYED);
    await expect.poll(() => other.runner.calls.at(-1)?.method).toBe("attachTurn");
    other.runner.refusal = new RpcError(Code.UNAVAILABLE, "gone");
    other.runner.breakStreams();
    const { status, json, headers } = await answer;
    expect([status, json]).toMatchObject([
      503,
      { error: { code: "WAIT_EXPIRED", lanekeeper: { turn_id: other.runner.last.turnId } } },
    ]);
    expect(silentIn(json)).toBe("runner");
    expect(headers["x-should-retry"]).toBe("true");
  });
});

describe("waiting", () => {
  test("a plain request that waits too long gets WAIT_EXPIRED, and its retry joins the turn", async () => {
    await using other = await startTestIngress({ limits: { plainWaitMs: 50 } });
    other.runner.script = holdTurn;
    const once = { headers: { "x-session-key": "kitchen", "idempotency-key": "k-1" } };
    const { status, json, headers } = await ask(other, once);
    const { turnId } = other.runner.last;
    expect([status, json]).toMatchObject([
      503,
      {
        error: {
          code: "WAIT_EXPIRED",
          // Who has no key and is no SDK would ask a second time by asking again.
          message: expect.stringContaining(`GET /v1/responses/resp_${turnId} tells its answer`),
          lanekeeper: { turn_id: turnId, should_retry: true },
        },
      },
    ]);
    expect(headers).toMatchObject({
      "x-should-retry": "true",
      "retry-after": "1",
      "x-turn-id": turnId,
    });
    // Recorded before it is told, so that a retry without a key joins it too.
    expect(
      other.runner.calls.find(({ method }) => method === "reportCutOff")?.request,
    ).toMatchObject({ turnId });
    other.runner.last.begin().say("Late").complete();
    const retried = await ask(other, once);
    expect(retried.headers).toMatchObject({ "x-turn-id": turnId, "x-lane-disposition": "joined" });
    expect(other.runner.calls.some(({ method }) => method === "cancelTurn")).toBe(false);
  });
});

describe("a client that hangs up", () => {
  test("does not cancel, and is logged as 499", async () => {
    lane.runner.script = holdTurn;
    const leaving = new AbortController();
    const answer = ask(lane, { ...KEYED, signal: leaving.signal });
    await accepted();
    leaving.abort();
    await expect(answer).rejects.toThrow();
    await expect.poll(() => lane.requests.entries.length).toBe(1);
    const { turnId } = lane.runner.last;
    expect(lane.requests.entries[0]).toMatchObject({ status: 499, turnId, reason: "" });
    const attach = lane.runner.calls.find(({ method }) => method === "attachTurn");
    await expect.poll(() => attach?.call.signal.aborted).toBe(true);
    expect(attach?.request).toMatchObject({ cancelOnDisconnect: false });
    expect(lane.runner.calls.map(({ method }) => method)).not.toContain("cancelTurn");
  });

  test("before its turn was accepted loses nothing: what arrived whole is submitted", async () => {
    let accept = (): void => undefined;
    lane.runner.acceptance = new Promise((resolve) => {
      accept = resolve;
    });
    const leaving = new AbortController();
    const answer = ask(lane, { ...KEYED, signal: leaving.signal });
    await expect.poll(() => lane.runner.attachCount()).toBe(1);
    leaving.abort();
    await expect(answer).rejects.toThrow();
    // A second request on its way shows that ingress has long seen the first one's end.
    await ask(lane, { method: "GET", path: "/v1/models" });
    expect(lane.runner.turns).toHaveLength(0);
    accept();
    await expect.poll(() => lane.requests.entries.length).toBe(1);
    const { turnId } = lane.runner.last;
    expect(lane.requests.entries[0]).toMatchObject({ status: 499, turnId });
  });

  test("or reads nothing is cut off, and the turn goes on", async () => {
    lane.runner.script = holdTurn;
    const raw = rawStream(lane, { paused: true });
    await accepted();
    const turn = lane.runner.last.begin();
    const block = "x".repeat(512 * 1024);
    for (let i = 0; i < 40; i++) turn.say(block);
    turn.complete();
    await expect.poll(() => lane.requests.entries.length).toBe(1);
    expect(lane.requests.entries[0]).toMatchObject({ status: 499 });
    raw.destroy();
  });
});

/** Waits until ingress has read the event with this text: it asks for the next one then. */
async function saidSoFar(text: string): Promise<void> {
  await expect
    .poll(() => lane.runner.last.events.some(({ event }) => event.value === text))
    .toBe(true);
  await expect.poll(() => lane.runner.told).toBe(lane.runner.last.events.length);
}

/** The service that an error names. */
function silentIn(json: unknown): unknown {
  type Body = { error: { lanekeeper: { metadata?: Record<string, string> } } };
  return (json as Body).error.lanekeeper.metadata?.["service"];
}

function contentOf(text: string): string {
  return events(text)
    .map((event) => (event as { choices?: { delta: { content?: string } }[] }).choices?.[0]?.delta)
    .map((delta) => delta?.content ?? "")
    .join("");
}
