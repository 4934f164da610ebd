import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { apiKeyCredential, createIngressClient } from "@lanekeeper/client";
import OpenAI from "openai";
import { ask } from "../testing/ask.ts";
import { startTestIngress, type TestIngress } from "../testing/test-ingress.ts";

let lane: TestIngress;
let made = 0;

beforeAll(async () => {
  // Limits come with the credential: a change is seen with the next request.
  lane = await startTestIngress({ limits: { credentialFreshMs: 0 } });
});

afterAll(async () => {
  await lane[Symbol.asyncDispose]();
});

/** Of a tenant that no other test knows. */
let tenant: string;

beforeEach(() => {
  made += 1;
  tenant = `tenant-${made}`;
});

/** A key whose limit, where it has one, gives one back after half a minute at the soonest. */
function keyOf(name: string, burst?: number): string {
  const principal = `${tenant}-${name}`;
  const requestsPerMinute = Math.min(burst ?? 0, 2);
  const rateLimit = burst === undefined ? undefined : { requestsPerMinute, burst };
  return lane.credentials.add(`lk_${principal}_0123456789`, { tenant, principal, rateLimit });
}

const GET_CALLER = "/lanekeeper.ingress.v1.IngressService/GetCaller";
const bearer = (key: string) => ({ headers: { authorization: `Bearer ${key}` } });
const models = (key: string) => ask(lane, { method: "GET", path: "/v1/models", ...bearer(key) });
const caller = (key: string) => ask(lane, { path: GET_CALLER, body: {}, ...bearer(key) });

describe("a key's own limit", () => {
  test("is counted down on every answer, whichever its door, and then 429 with our reason", async () => {
    const key = keyOf("a", 2);
    const [first, second] = [await models(key), await caller(key)];
    expect([first, second].map(({ status }) => status)).toEqual([200, 200]);
    expect(first.headers).toMatchObject({
      "ratelimit-limit": "2",
      "ratelimit-remaining": "1",
      "ratelimit-reset": "30",
      "x-ratelimit-limit-requests": "2",
      "x-ratelimit-remaining-requests": "1",
      "x-ratelimit-reset-requests": "30s",
    });
    expect(second.headers).toMatchObject({ "ratelimit-remaining": "0" });
    const refused = await ask(lane, bearer(key));
    expect(refused.status).toBe(429);
    expect(refused.json).toMatchObject({
      error: {
        code: "RATE_LIMITED",
        type: "rate_limit_error",
        message: "the API key may make 2 requests a minute, 2 at once",
        lanekeeper: { metadata: { limit_of: "key", requests_per_minute: "2", burst: "2" } },
      },
    });
    expect(refused.headers).toMatchObject({
      "ratelimit-remaining": "0",
      "retry-after": expect.stringMatching(/^(2\d|30)$/),
      "x-should-retry": "true",
    });
    expect(lane.runner.turns).toHaveLength(0);
  });

  test("that refuses is told to the log with whose it was, and keeps no row of the flood", async () => {
    const key = keyOf("a", 1);
    await ask(lane, bearer(key));
    const label = `limited-${tenant}`;
    const headers = { authorization: `Bearer ${key}`, "x-request-id": label };
    expect((await ask(lane, { headers })).status).toBe(429);
    const line = () => lane.log.lines.find(({ request_id: id }) => id === label);
    await expect.poll(line).toMatchObject({
      ...{ tenant, principal: `${tenant}-a`, reason: "RATE_LIMITED", status: 429 },
    });
    const kept = () => lane.requests.entries.filter((entry) => entry.tenant === tenant);
    await expect.poll(() => kept().length).toBe(1);
    expect(kept()[0]).toMatchObject({ status: 200 });
  });

  test("is counted down by what cannot be parsed, over Connect too", async () => {
    const key = keyOf("a", 2);
    const broken = () => ask(lane, { path: GET_CALLER, body: "{", ...bearer(key) });
    const [first, second] = [await broken(), await broken()];
    expect([first, second].map(({ status }) => status)).toEqual([400, 400]);
    expect(second.headers).toMatchObject({ "ratelimit-remaining": "0" });
    expect((await broken()).status).toBe(429);
  });

  test("is counted down by what cannot be parsed of a GET, once each", async () => {
    const key = keyOf("a", 2);
    const path = `${GET_CALLER}?connect=v1&encoding=json&message=`;
    const get = (message: string) =>
      fetch(`${lane.url}${path}${encodeURIComponent(message)}`, {
        headers: { authorization: `Bearer ${key}` },
      });
    expect([(await get("{")).status, (await get("{}")).status]).toEqual([400, 200]);
    const refused = await get("{");
    expect([refused.status, refused.headers.get("ratelimit-remaining")]).toEqual([429, "0"]);
    expect(await refused.text()).toContain("RATE_LIMITED");
  });

  test("is told over Connect and gRPC by the same reason, with its wait", async () => {
    const key = keyOf("a", 1);
    await caller(key);
    const refused = await caller(key);
    expect(refused.status).toBe(429);
    expect(refused.json).toMatchObject({ code: "resource_exhausted" });
    expect(refused.text).toContain("RATE_LIMITED");
    expect(refused.headers).toMatchObject({
      "ratelimit-remaining": "0",
      "retry-after": expect.stringMatching(/^(5\d|60)$/),
    });
    using client = createIngressClient({
      target: `127.0.0.1:${lane.ingress.grpcPort}`,
      credential: apiKeyCredential(key),
    });
    await expect(client.getCaller({})).rejects.toMatchObject({
      reason: "RATE_LIMITED",
      retryAfterMs: expect.any(Number),
    });
  });

  test("is read by OpenAI's client as its own kind of error", async () => {
    const key = keyOf("a", 1);
    const client = new OpenAI({ apiKey: key, baseURL: `${lane.url}/v1`, maxRetries: 0 });
    await client.models.list();
    const refused = client.models.list();
    await expect(refused).rejects.toBeInstanceOf(OpenAI.RateLimitError);
    await expect(refused).rejects.toMatchObject({ status: 429, code: "RATE_LIMITED" });
  });

  test("stands before what the tenant says of its keys", async () => {
    await lane.settings.write(tenant, {
      sessionSources: [],
      requiresSession: false,
      keyRateLimit: { requestsPerMinute: 1, burst: 1 },
    });
    const [own, ordinary] = [keyOf("own", 3), keyOf("ordinary")];
    expect((await models(own)).headers["ratelimit-remaining"]).toBe("2");
    expect((await models(ordinary)).headers["ratelimit-remaining"]).toBe("0");
    expect((await models(ordinary)).status).toBe(429);
    expect((await models(own)).status).toBe(200);
  });
});

describe("a tenant's limit", () => {
  const limited = (requestsPerMinute: number) =>
    lane.settings.write(tenant, {
      sessionSources: [],
      requiresSession: false,
      rateLimit: { requestsPerMinute, burst: requestsPerMinute },
    });

  test("is of all its keys together, and of no other tenant's", async () => {
    await limited(2);
    const [a, b] = [keyOf("a"), keyOf("b")];
    expect([(await models(a)).status, (await models(b)).status]).toEqual([200, 200]);
    const refused = await models(a);
    expect([refused.status, refused.text]).toEqual([429, expect.stringContaining("the tenant")]);
    expect((await ask(lane, { method: "GET", path: "/v1/models" })).status).toBe(200);
  });

  test("that refuses uses nothing of the key's up", async () => {
    await limited(1);
    const key = keyOf("a", 10);
    expect((await models(key)).headers["ratelimit-remaining"]).toBe("0");
    for (let i = 0; i < 5; i += 1) expect((await models(key)).status).toBe(429);
    await lane.settings.write(tenant, { sessionSources: [], requiresSession: false });
    expect((await models(key)).headers["ratelimit-remaining"]).toBe("8");
  });
});

test("without a limit no answer tells of one, and requests without a known key are counted nowhere", async () => {
  const { headers } = await models(keyOf("a"));
  expect(Object.keys(headers).filter((name) => name.includes("ratelimit"))).toEqual([]);
  const unknown = await models("lk_wrong");
  expect(unknown.status).toBe(401);
  expect(Object.keys(unknown.headers).filter((name) => name.includes("ratelimit"))).toEqual([]);
});
