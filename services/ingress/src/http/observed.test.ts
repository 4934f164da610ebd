import { apiKeyCredential, createIngressClient } from "@lanekeeper/client";
import { recordSpans } from "@lanekeeper/service/testing";
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { newKeyId, newKeyText } from "../credentials/key-text.ts";
import { ask, HELLO } from "../testing/ask.ts";
import { startTestIngress, type TestIngress } from "../testing/test-ingress.ts";

let lane: TestIngress;

beforeEach(async () => {
  lane = await startTestIngress();
});

afterEach(async () => {
  await lane[Symbol.asyncDispose]();
});

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const TRACEPARENT = `00-${TRACE}-b7ad6b7169203331-01`;
const line = () => lane.log.lines.find(({ msg }) => msg === "request");

describe("a request is seen", () => {
  test("as one root span in the caller's trace, which the runner's call continues", async () => {
    await using spans = await recordSpans();
    const headers = { "x-session-key": "kitchen", traceparent: TRACEPARENT };
    await ask(lane, { headers });
    await expect
      .poll(() => spans.finished().some(({ name }) => name.startsWith("POST")))
      .toBe(true);
    const roots = spans
      .finished()
      .filter((span) => span.parentSpanContext?.spanId === "b7ad6b7169203331");
    expect(roots.map(({ name }) => name)).toEqual(["POST /v1/chat/completions"]);
    expect(roots[0]?.attributes).toMatchObject({
      "http.request.method": "POST",
      "http.route": "/v1/chat/completions",
      "http.response.status_code": 200,
    });
    const submitted = lane.runner.calls.find(({ method }) => method === "awaitTurn");
    expect(submitted?.call.traceparent).toContain(TRACE);
    await expect.poll(line).toMatchObject({ trace_id: TRACE });
    await expect.poll(() => lane.requests.entries[0]).toMatchObject({ traceId: TRACE });
  });

  test("as one line with the ids of its turn", async () => {
    await ask(lane, { headers: { "x-session-key": "kitchen", "x-request-id": "label-1" } });
    await expect.poll(line).toBeDefined();
    const { turnId, runId, session } = lane.runner.last;
    expect(line()).toMatchObject({
      level: "info",
      route: "POST /v1/chat/completions",
      status: 200,
      reason: "",
      duration_ms: expect.any(Number),
      tenant: "default",
      principal: "lk_test_",
      channel: "http",
      raw_key: "kitchen",
      session_key: "agent:main:kitchen",
      session_id: session?.sessionId,
      generation: 1,
      turn_id: turnId,
      run_id: runId,
      request_id: "label-1",
      disposition: "started",
    });
  });

  test("as a line that leaves out what there is not: no account, and no run before one", async () => {
    await ask(lane, { body: { ...HELLO, model: "nobody" } });
    await expect.poll(line).toMatchObject({ channel: "http", reason: "UNKNOWN_MODEL" });
    for (const absent of ["account", "turn_id", "run_id", "session_key"]) {
      expect(line()).not.toHaveProperty(absent);
    }
  });

  test("as a line that tells whose it was, over Connect too; of an unknown key nobody's", async () => {
    const path = "/lanekeeper.ingress.v1.IngressService/GetCaller";
    await ask(lane, { path, body: {} });
    await ask(lane, { path, body: {}, headers: { authorization: "Bearer lk_nobody" } });
    const lines = () => lane.log.lines.filter(({ route }) => route === `POST ${path}`);
    await expect.poll(() => lines().length).toBe(2);
    expect(lines()[0]).toMatchObject({ tenant: "default", principal: "lk_test_", status: 200 });
    expect(lines()[1]).toMatchObject({ status: 401 });
    expect(lines()[1]).not.toHaveProperty("principal");
  });

  test("without its credential, in no log line, answer or error", async () => {
    const secret = "lk_very_secret_0123456789";
    const headers = { authorization: `Bearer ${secret}` };
    const answers = [await ask(lane, { headers }), await ask(lane, { headers, path: "/v1/x" })];
    lane.credentials.add(secret);
    answers.push(await ask(lane, { headers }));
    await expect.poll(() => lane.log.lines.filter(({ msg }) => msg === "request").length).toBe(3);
    expect(lane.log.text()).not.toContain(secret);
    for (const { text, headers: told } of answers) {
      expect(text + JSON.stringify(told)).not.toContain(secret);
    }
    await expect.poll(() => lane.requests.entries.length).toBe(1);
    expect(JSON.stringify(lane.requests.entries, bigints)).not.toContain(secret);
  });

  test("without its credential at any door, known, unknown or mistyped", async () => {
    const known = newKeyText(newKeyId());
    lane.credentials.add(known, { principal: "known" });
    const texts = [known, newKeyText(newKeyId()), known.slice(0, -1)];
    const doors = [
      { method: "GET", path: "/v1/models" },
      { method: "GET", path: "/v1/responses/resp_1" },
      { method: "HEAD", path: "/lanekeeper/v1/events" },
      { path: "/lanekeeper.ingress.v1.IngressService/GetCaller", body: {} },
      { path: "/lanekeeper.ingress.v1.ApiKeyService/RevokeApiKey", body: { apiKeyId: "x" } },
      { path: "/v1/chat/completions", body: "not JSON" },
    ];
    let asked = 0;
    for (const text of texts) {
      for (const door of doors) {
        const { text: told } = await ask(lane, {
          ...door,
          headers: { authorization: `Bearer ${text}` },
        });
        expect(told).not.toContain(text.slice(-40));
        asked += 1;
      }
      using client = createIngressClient({
        target: `127.0.0.1:${lane.ingress.grpcPort}`,
        credential: apiKeyCredential(text),
      });
      await client.getCaller({}).catch((error: unknown) => {
        expect(String(error)).not.toContain(text.slice(-40));
      });
    }
    const lines = () => lane.log.lines.filter(({ msg }) => msg === "request");
    await expect.poll(() => lines().length).toBe(asked);
    for (const text of texts) expect(lane.log.text()).not.toContain(text.slice(-40));
  });

  test("among many at once, without a warning of Node's about the listeners of each", async () => {
    const warnings: Error[] = [];
    const note = (warning: Error) => {
      if (warning.name === "MaxListenersExceededWarning") warnings.push(warning);
    };
    process.on("warning", note);
    onTestFinished(() => void process.off("warning", note));
    const asked = await Promise.all(Array.from({ length: 30 }, () => ask(lane)));
    await new Promise((resolve) => setImmediate(resolve));
    expect(asked.map(({ status }) => status)).toEqual(asked.map(() => 200));
    expect(warnings).toEqual([]);
  });

  test("in the counts, by route, status and reason, with few distinct labels", async () => {
    await ask(lane);
    await ask(lane, { body: { ...HELLO, model: "x" } });
    await ask(lane, { path: "/some/path/nobody/knows" });
    const stream = await ask(lane, { body: { ...HELLO, stream: true } });
    expect(stream.status).toBe(200);
    const metrics = () => lane.metrics();
    const count = (labels: string) => `lanekeeper_http_requests_total{${labels},service="ingress"}`;
    const route = 'route="POST /v1/chat/completions"';
    for (const counted of [
      `${count(`${route},status="200",reason=""`)} 2`,
      `${count(`${route},status="404",reason="UNKNOWN_MODEL"`)} 1`,
      `${count('route="POST (none)",status="404",reason="NOT_FOUND"')} 1`,
      'lanekeeper_turn_queue_wait_seconds_count{service="ingress"} 2',
      'lanekeeper_open_streams{service="ingress"} 0',
    ]) {
      await expect.poll(metrics).toContain(counted);
    }
  });

  test("also over Connect, with the label that its caller was told", async () => {
    const path = "/lanekeeper.ingress.v1.IngressService/GetCaller";
    const { headers } = await ask(lane, { path, body: {} });
    await expect.poll(line).toMatchObject({
      route: `POST ${path}`,
      status: 200,
      request_id: headers["x-request-id"],
    });
  });
});

function bigints(_name: string, value: unknown): unknown {
  return typeof value === "bigint" ? String(value) : value;
}
