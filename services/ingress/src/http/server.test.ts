import { connect } from "node:net";
import OpenAI from "openai";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ask, HELLO } from "../testing/ask.ts";
import { closed } from "../testing/raw-request.ts";
import { rawStream } from "../testing/raw-stream.ts";
import { holdTurn } from "../testing/stand-in-runner.ts";
import { startTestIngress, type TestIngress } from "../testing/test-ingress.ts";

let lane: TestIngress;

beforeEach(async () => {
  lane = await startTestIngress();
});

afterEach(async () => {
  await lane[Symbol.asyncDispose]();
});

describe("models", () => {
  test("are the tenant's agents, the default one by its short name too", async () => {
    const client = new OpenAI({ apiKey: lane.apiKey, baseURL: `${lane.url}/v1` });
    const { data } = await client.models.list();
    expect(data.map(({ id }) => id)).toEqual([
      "lanekeeper",
      "lanekeeper/main",
      "lanekeeper/helper",
    ]);
    expect(data[0]).toEqual({
      id: "lanekeeper",
      object: "model",
      created: expect.any(Number),
      owned_by: "lanekeeper",
    });
    expect(await client.models.retrieve("lanekeeper/helper")).toMatchObject({
      id: "lanekeeper/helper",
    });
  });

  test.each(["lanekeeper%2Fmain", "lanekeeper/main", "agent:main", "openclaw"])(
    "%s is found",
    async (id) => {
      const { status, json } = await ask(lane, { method: "GET", path: `/v1/models/${id}` });
      expect([status, json]).toMatchObject([200, { id: decodeURIComponent(id) }]);
    },
  );

  test.each([
    ["gpt-4o", 404, "UNKNOWN_MODEL"],
    ["lanekeeper/nobody", 404, "UNKNOWN_MODEL"],
    ["%FF", 400, "INVALID_REQUEST"],
  ])("%s is %i %s", async (id, status, code) => {
    const answer = await ask(lane, { method: "GET", path: `/v1/models/${id}` });
    expect([answer.status, answer.json]).toMatchObject([status, { error: { code } }]);
  });

  test("are not told without a key, and only those that the key may use", async () => {
    const path = "/v1/models";
    const refused = await ask(lane, { method: "GET", path, headers: { authorization: "" } });
    expect(refused.status).toBe(401);
    lane.credentials.add("lk_key_of_one_agent_0123456789", { agents: ["helper"] });
    const headers = { authorization: "Bearer lk_key_of_one_agent_0123456789" };
    const { json } = await ask(lane, { method: "GET", path, headers });
    expect(json).toMatchObject({ data: [{ id: "lanekeeper/helper" }] });
  });
});

describe("a path", () => {
  test.each([
    "/v1/embeddings",
    "/v1",
    "/v1/chat/completions/x",
    "/v1/models/",
    "/v2/models",
    "/%",
    "/v1/responses/compact",
    "/v1/responses/input_tokens",
  ])("%s is 404 in OpenAI's shape", async (path) => {
    const { status, json, headers } = await ask(lane, { path });
    expect([status, json]).toMatchObject([
      404,
      { error: { code: "NOT_FOUND", type: "invalid_request_error" } },
    ]);
    expect(headers["x-should-retry"]).toBe("false");
    expect(headers).not.toHaveProperty("allow");
  });

  test.each([
    ["GET", "/v1/chat/completions", "POST"],
    ["DELETE", "/v1/models/x", "GET"],
    ["POST", "/", "GET"],
    ["OPTIONS", "/v1/chat/completions", "POST"],
    ["DELETE", "/v1/responses/resp_x", "GET"],
    ["POST", "/v1/responses/resp_x", "GET"],
    ["GET", "/v1/responses/resp_x/cancel", "POST"],
  ])("%s %s is 405 and names the method that it takes", async (method, path, allow) => {
    const { status, json, headers } = await ask(lane, { method, path });
    expect([status, json]).toMatchObject([405, { error: { code: "INVALID_REQUEST" } }]);
    expect(headers["allow"]).toBe(allow);
  });

  test.each([
    ["/chat/completions", "/v1/chat/completions"],
    ["/v1/v1/chat/completions", "/v1/chat/completions"],
    ["/v1/v1/models/lanekeeper", "/v1/models/lanekeeper"],
    ["/responses/resp_x/cancel", "/v1/responses/resp_x/cancel"],
    ["/v1/completions", undefined],
    ["/v1/responses/resp_x/compact", undefined],
    ["/responses/compact", undefined],
    ["/v1/responses//cancel", undefined],
    ["/v1/lanekeeper/v1/events", undefined],
    ["/v1/", undefined],
  ])("there is nothing at %s, which may have been meant for %s", async (path, meant) => {
    const { status, json } = await ask(lane, { path });
    const hint = meant === undefined ? "" : `, but at ${meant}: a base URL ends in one /v1`;
    const message = `there is nothing at POST ${path}${hint}`;
    expect([status, json]).toMatchObject([404, { error: { message } }]);
  });

  test("/ says what this is, also to HEAD and with a query", async () => {
    const get = await ask(lane, { method: "GET", path: "/?x=1", headers: { authorization: "" } });
    expect(get.json).toMatchObject({ service: "lanekeeper", version: "0.0.0" });
    const head = await ask(lane, { method: "HEAD", path: "/" });
    expect([head.status, head.text]).toEqual([200, ""]);
  });
});

describe("CORS", () => {
  const preflight = {
    method: "OPTIONS",
    headers: {
      origin: "https://app.example",
      "access-control-request-method": "POST",
      "access-control-request-headers": "authorization,x-session-key",
    },
  };

  test("is off by default: a web page is told nothing", async () => {
    const { headers } = await ask(lane, { headers: { origin: "https://app.example" } });
    expect(headers).not.toHaveProperty("access-control-allow-origin");
    expect((await ask(lane, preflight)).status).toBe(405);
  });

  test("lets the configured origins call and read our headers, also on errors", async () => {
    await using other = await startTestIngress({ corsOrigins: ["https://app.example"] });
    const allowed = await ask(other, preflight);
    expect(allowed.status).toBe(204);
    expect(allowed.headers["access-control-allow-origin"]).toBe("https://app.example");
    const names = String(allowed.headers["access-control-allow-headers"]).toLowerCase();
    for (const name of ["authorization", "content-type", "x-session-key", "idempotency-key"]) {
      expect(names).toContain(name);
    }
    const origin = "https://app.example";
    const refused = await ask(other, { headers: { origin, authorization: "" } });
    expect(refused.status).toBe(401);
    expect(refused.headers["access-control-allow-origin"]).toBe(origin);
    expect(refused.headers["access-control-expose-headers"]).toContain("x-turn-id");
    const foreign = await ask(other, { headers: { origin: "https://evil.example" } });
    expect(foreign.headers).not.toHaveProperty("access-control-allow-origin");
  });
});

/** Sends bytes as they are and gives what comes back until the server closes. */
async function raw(port: number, bytes: string): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  let text = "";
  socket.setEncoding("utf8").on("data", (part: string) => (text += part));
  socket.on("error", () => undefined);
  socket.write(bytes);
  await closed(socket);
  return text;
}

describe("what is no proper request", () => {
  test("is refused with a body that says why", async () => {
    const { httpPort } = lane.ingress;
    const text = await raw(httpPort, "HELLO\r\n\r\n");
    expect(text).toMatch(/^HTTP\/1\.1 400 Bad Request/);
    expect(text).toContain('"code":"INVALID_REQUEST"');
  });

  test("too many bytes of headers are 431", async () => {
    const header = `x-filler: ${"x".repeat(20_000)}`;
    const text = await raw(lane.ingress.httpPort, `GET / HTTP/1.1\r\nhost: x\r\n${header}\r\n\r\n`);
    expect(text).toMatch(/^HTTP\/1\.1 431 /);
    expect(text).toContain('"code":"PAYLOAD_TOO_LARGE"');
  });

  test("a body that does not come in time is 408", async () => {
    await using other = await startTestIngress({
      limits: { headersTimeoutMs: 100, requestTimeoutMs: 200, timeoutCheckMs: 20 },
    });
    const head = `POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${other.apiKey}\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n`;
    const text = await raw(other.ingress.httpPort, `${head}{"model"`);
    expect(text).toMatch(/^HTTP\/1\.1 408 /);
    expect(other.runner.turns).toHaveLength(0);
  });

  test("a client that leaves while it sends has no turn, and is logged as 499", async () => {
    const socket = connect(lane.ingress.httpPort, "127.0.0.1");
    const head = `POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${lane.apiKey}\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n`;
    socket.write(`${head}{"model"`);
    await expect.poll(() => lane.credentials.finds).toBe(1);
    socket.destroy();
    await expect.poll(() => lane.requests.entries.length).toBe(1);
    expect(lane.requests.entries[0]).toMatchObject({ status: 499, turnId: "", reason: "" });
    expect(lane.runner.turns).toHaveLength(0);
  });

  test("an early refusal leaves the connection usable for the next request", async () => {
    const body = JSON.stringify(HELLO);
    const wrong = `POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
    const last = "GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    const text = await raw(lane.ingress.httpPort, wrong + last);
    expect(text).toMatch(/^HTTP\/1\.1 401 /);
    expect(text).toContain("HTTP/1.1 200 OK");
  });

  test("a body of 9 MiB is refused as a proper answer, not as a broken connection", async () => {
    const body = { ...HELLO, filler: "x".repeat(9 * 1024 * 1024) };
    const { status, json } = await ask(lane, { body });
    expect([status, json]).toMatchObject([413, { error: { code: "PAYLOAD_TOO_LARGE" } }]);
  });

  test("a request over the number that is served at once is RATE_LIMITED", async () => {
    await using other = await startTestIngress({ limits: { maxRequestsInFlight: 1 } });
    other.runner.script = holdTurn;
    const first = ask(other);
    await expect.poll(() => other.runner.turns.length).toBe(1);
    const { status, json } = await ask(other);
    const named = { code: "RATE_LIMITED", lanekeeper: { metadata: { limit: "1" } } };
    expect([status, json]).toMatchObject([429, { error: named }]);
    other.runner.last.begin().say("Hi").complete();
    expect((await first).status).toBe(200);
    other.runner.script = (turn) => turn.begin().complete();
    expect((await ask(other)).status).toBe(200);
  });

  test("a crowd of one tenant leaves room for others", async () => {
    await using other = await startTestIngress({ limits: { maxRequestsInFlight: 10 } });
    other.runner.script = holdTurn;
    const crowd = Array.from({ length: 8 }, () => ask(other));
    await expect.poll(() => other.runner.turns.length).toBe(8);
    const { status, json, headers } = await ask(other);
    expect([status, json]).toMatchObject([429, { error: { code: "RATE_LIMITED" } }]);
    expect(headers).toMatchObject({ connection: "close", "retry-after": "1" });
    const key = other.credentials.add("lk_of_another_tenant_0123456789", { tenant: "another" });
    const alone = ask(other, { headers: { authorization: `Bearer ${key}` } });
    await expect.poll(() => other.runner.turns.length).toBe(9);
    for (const turn of other.runner.turns) turn.begin().say("Hi").complete();
    const answers = await Promise.all([...crowd, alone]);
    expect(answers.map((answer) => answer.status)).toEqual(answers.map(() => 200));
    other.runner.script = (turn) => turn.begin().complete();
    expect((await ask(other)).status).toBe(200);
  });

  test("more bodies at once than there is room for are RATE_LIMITED, and the room comes back", async () => {
    await using other = await startTestIngress({ limits: { maxBodyBytesInFlight: 1_000 } });
    const body = { ...HELLO, filler: "x".repeat(2_000) };
    const { status, json, headers } = await ask(other, { body });
    const named = { code: "RATE_LIMITED", lanekeeper: { metadata: { limit_bytes: "1000" } } };
    expect([status, json]).toMatchObject([429, { error: named }]);
    expect(headers["retry-after"]).toBe("1");
    expect((await ask(other)).status).toBe(200);
  });
});

describe("a drain", () => {
  test("finishes what is in progress and takes nothing new", async () => {
    lane.runner.script = holdTurn;
    const answer = ask(lane);
    await expect.poll(() => lane.runner.turns.length).toBe(1);
    const drained = lane.ingress.drain(new AbortController().signal);
    await expect(ask(lane)).rejects.toThrow("ECONNREFUSED");
    lane.runner.last.begin().say("Done").complete();
    expect((await answer).status).toBe(200);
    await drained;
  });

  test("whose time is over tells those who wait to join their turn elsewhere", async () => {
    lane.runner.script = holdTurn;
    const plain = ask(lane);
    await expect.poll(() => lane.runner.turns.length).toBe(1);
    const stream = rawStream(lane);
    await expect.poll(() => lane.runner.turns.length).toBe(2);
    // Once it is read, so is that both were accepted: they share a connection.
    lane.runner.last.begin().say("One moment");
    await expect.poll(() => stream.text()).toContain("One moment");
    const timeUp = new AbortController();
    const drained = lane.ingress.drain(timeUp.signal);
    timeUp.abort();
    const { status, json, headers } = await plain;
    expect([status, json]).toMatchObject([503, { error: { code: "WAIT_EXPIRED" } }]);
    expect(headers["x-should-retry"]).toBe("true");
    await stream.ended;
    expect(stream.text()).toContain('"code":"WAIT_EXPIRED"');
    await drained;
  });
});
