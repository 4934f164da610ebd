import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ask } from "../testing/ask.ts";
import { startTestIngress, type TestIngress } from "../testing/test-ingress.ts";

let lane: TestIngress;

beforeAll(async () => {
  lane = await startTestIngress();
  for (const scope of ["chat", "adapter", "operator", "admin"]) {
    lane.credentials.add(keyOf(scope), { scopes: [scope], tenant: "acme", principal: scope });
  }
});

afterAll(async () => {
  await lane[Symbol.asyncDispose]();
});

const keyOf = (scope: string): string => `lk_${scope}_key_0123456789abcdef`;
const IDENTITY = "lanekeeper.identity.v1.SessionIdentityService";
const RUNNER = "lanekeeper.runner.v1.RunnerService";
const DELIVERY = "lanekeeper.delivery.v1.DeliveryService";
const INGRESS = "lanekeeper.ingress.v1.IngressService";

function call(method: string, body: object, scope = "operator") {
  const headers = { authorization: `Bearer ${keyOf(scope)}`, "x-request-id": "label-7" };
  return ask(lane, { path: `/${method}`, body, headers });
}

/** A stream's request is one envelope: flags, length, message. */
function watch(scope: string, signal?: AbortSignal): Promise<Response> {
  return fetch(`${lane.url}/${IDENTITY}/WatchSessions`, {
    method: "POST",
    headers: {
      authorization: `Bearer ${keyOf(scope)}`,
      "content-type": "application/connect+json",
    },
    body: Buffer.concat([Buffer.from([0, 0, 0, 0, 2]), Buffer.from("{}")]),
    ...(signal === undefined ? {} : { signal }),
  });
}

describe("the services' RPCs over Connect JSON", () => {
  test("resolve a key, rotate it, list its journal", async () => {
    const resolved = await call(`${IDENTITY}/ResolveSession`, { rawKey: "kitchen" });
    expect(resolved.json).toMatchObject({
      session: { ref: { sessionKey: "agent:main:kitchen", generation: "1" } },
    });
    const sessionKey = "agent:main:kitchen";
    const rotate = { requestId: "r-1", sessionKey, reason: "ROTATION_REASON_RESET" };
    const rotated = await call(`${IDENTITY}/RotateSession`, rotate);
    expect(rotated.json).toMatchObject({ rotation: { current: { generation: "2" } } });
    const journal = await call(`${IDENTITY}/ListJournal`, { sessionKey });
    expect(journal.json).toMatchObject({ entries: [{ sessionKey, operation: "rotate" }] });
  });

  test("read a lane, cancel a turn, list messages", async () => {
    const lanes = await call(`${RUNNER}/GetLane`, { sessionKey: "agent:main:kitchen" });
    expect(lanes.json).toMatchObject({ lane: { depth: 2 } });
    const cancelled = await call(`${RUNNER}/CancelTurn`, { turnId: "t-1" });
    expect(cancelled.json).toMatchObject({ turn: { turnId: "t-1" } });
    const messages = await call(`${RUNNER}/ListMessages`, { sessionKey: "agent:main:kitchen" });
    expect(messages.status).toBe(200);
  });

  test("carry the credential's tenant, principal and scopes, whatever the caller sends", async () => {
    await ask(lane, {
      path: `/${RUNNER}/CancelTurn`,
      body: { turnId: "t-2" },
      headers: {
        authorization: `Bearer ${keyOf("operator")}`,
        "lanekeeper-tenant": "victim",
        "lanekeeper-scopes": "admin",
        "x-request-id": "label-7",
      },
    });
    expect(lane.runner.calls.at(-1)?.call).toMatchObject({
      tenant: "acme",
      principal: "operator",
      scopes: ["operator"],
      requestId: "label-7",
    });
  });

  test("stream: a watch begins with its snapshot and goes on until the caller leaves", async () => {
    const leaving = new AbortController();
    const response = await watch("operator", leaving.signal);
    const reader = response.body?.getReader();
    let text = "";
    while (!text.includes("snapshotEnd")) {
      const part = await reader?.read();
      text += Buffer.from(part?.value ?? []).toString("latin1");
    }
    expect(text).toContain("agent:main:kitchen");
    leaving.abort();
  });

  test("stream: a watch that is not for the scope ends with its reason", async () => {
    const response = await watch("adapter");
    expect(await response.text()).toContain("PERMISSION_DENIED");
  });

  test.each([
    [`${IDENTITY}/RotateSession`, { sessionKey: "agent:main:a", expectedGeneratoin: "3" }],
    [`${IDENTITY}/RotateSession`, { sessionKey: "agent:main:a", reason: "ROTATION_REASON_RESTE" }],
    [`${IDENTITY}/RotateSession`, { sessionKey: "agent:main:a", reason: 99 }],
    [`${RUNNER}/CancelTurn`, { turn: "t-1" }],
  ])("refuse what they do not know: %s %j", async (method, body) => {
    const before = lane.identity.calls.length + lane.runner.calls.length;
    const { status, text } = await call(method, body);
    expect(status).toBe(400);
    expect(text).toContain("INVALID_REQUEST");
    expect(lane.identity.calls.length + lane.runner.calls.length).toBe(before);
  });
});

describe("who may call what", () => {
  test.each([
    `${IDENTITY}/BeginRun`,
    `${IDENTITY}/WriteLifecycle`,
    `${IDENTITY}/CheckFence`,
    `${IDENTITY}/RaiseFences`,
    `${DELIVERY}/EnqueueDelivery`,
  ])("%s is between services alone, also for a credential with all scopes", async (method) => {
    const { status, text } = await ask(lane, { path: `/${method}`, body: {} });
    expect([status, text]).toEqual([403, expect.stringContaining("PERMISSION_DENIED")]);
  });

  test("Exchange is not served over Connect at all", async () => {
    const { status } = await ask(lane, { path: `/${IDENTITY}/Exchange`, body: {} });
    expect(status).toBe(404);
  });

  test.each([
    [`${IDENTITY}/RotateSession`, "chat"],
    [`${IDENTITY}/ListJournal`, "adapter"],
    [`${IDENTITY}/ApplyKeyPolicies`, "operator"],
    [`${RUNNER}/SubmitTurn`, "operator"],
    [`${RUNNER}/ListMessages`, "chat"],
    [`${RUNNER}/ApplyAgents`, "adapter"],
    [`${INGRESS}/ListRequests`, "chat"],
  ])("%s is not for the scope %s", async (method, scope) => {
    const { status, text } = await call(method, {}, scope);
    expect([status, text]).toEqual([403, expect.stringContaining("PERMISSION_DENIED")]);
  });

  test("nobody without a credential", async () => {
    const headers = { authorization: "Bearer lk_wrong" };
    const { status, text } = await ask(lane, { path: `/${INGRESS}/GetCaller`, body: {}, headers });
    expect([status, text]).toEqual([401, expect.stringContaining("UNAUTHENTICATED")]);
  });
});

describe("ingress's own service", () => {
  test("GetCaller tells whom the credential stands for, never the credential", async () => {
    const { json, text } = await call(`${INGRESS}/GetCaller`, {}, "chat");
    expect(json).toEqual({ tenant: "acme", principal: "chat", scopes: ["chat"] });
    expect(text).not.toContain(keyOf("chat"));
  });

  test("ListRequests finds served and refused ones by request id, trace id and turn id", async () => {
    const authorization = `Bearer ${keyOf("chat")}`;
    const traceId = "0af7651916cd43dd8448eb211c80319c";
    const headers = {
      authorization,
      "x-session-key": "cellar",
      "x-request-id": "label-8",
      traceparent: `00-${traceId}-b7ad6b7169203331-01`,
    };
    const served = await ask(lane, { headers });
    await ask(lane, { headers: { ...headers, "x-request-id": "label-9" }, body: {} });
    await expect.poll(() => lane.requests.entries.length).toBeGreaterThanOrEqual(2);
    const turnId = String(served.headers["x-turn-id"]);
    const entry = {
      requestId: "label-8",
      principal: "chat",
      route: "POST /v1/chat/completions",
      rawKey: "cellar",
      sessionKey: "agent:main:cellar",
      turnId,
      disposition: "started",
      status: 200,
    };
    const byTurn = await call(`${INGRESS}/ListRequests`, { turnId });
    expect(byTurn.json).toMatchObject({ requests: [entry] });
    const refused = await call(`${INGRESS}/ListRequests`, { requestId: "label-9" });
    expect(refused.json).toMatchObject({
      requests: [
        { rawKey: "cellar", disposition: "rejected", status: 400, reason: "INVALID_REQUEST" },
      ],
    });
  });

  test("ListRequests shows a bound key its own requests and those of its keys", async () => {
    const shown = async (key: string) => {
      const { json } = await call(`${INGRESS}/ListRequests`, {}, key);
      const { requests = [] } = json as { requests?: { requestId: string }[] };
      return requests.map(({ requestId }) => requestId).toSorted();
    };
    const send = (key: string, headers: object) =>
      ask(lane, { headers: { authorization: `Bearer ${keyOf(key)}`, ...headers } });
    await send("chat", { "x-session-key": "shop:1", "x-request-id": "of-shop" });
    await send("chat", { "x-session-key": "desk:1", "x-request-id": "of-desk" });
    await send("chat", { "x-request-id": "stateless" });
    lane.credentials.add(keyOf("of-shop"), {
      ...{ tenant: "acme", principal: "of-shop", keyPrefixes: ["agent:main:shop:"] },
    });
    lane.credentials.add(keyOf("of-other"), {
      ...{ tenant: "acme", principal: "of-other", agents: ["other"] },
    });
    await send("of-shop", { "x-session-key": "desk:1", "x-request-id": "own-refused" });
    const stored = () => lane.requests.entries.map(({ requestId }) => requestId);
    await expect.poll(stored).toContain("own-refused");
    expect(await shown("of-shop")).toEqual(["of-shop", "own-refused"]);
    expect(await shown("of-other")).toEqual([]);
  });

  test("ListRequests goes by pages and shows no other tenant's", async () => {
    for (let i = 0; i < 3; i++) {
      await ask(lane, { headers: { authorization: `Bearer ${keyOf("chat")}` } });
    }
    await ask(lane);
    await expect
      .poll(() => lane.requests.entries.filter(({ tenant }) => tenant === "default"))
      .toHaveLength(1);
    const seen: string[] = [];
    let pageToken = "";
    do {
      const { json } = await call(`${INGRESS}/ListRequests`, { pageSize: 2, pageToken });
      const page = json as { requests?: { requestId: string }[]; nextPageToken?: string };
      seen.push(...(page.requests ?? []).map(({ requestId }) => requestId));
      pageToken = page.nextPageToken ?? "";
    } while (pageToken !== "");
    const own = lane.requests.entries.filter(({ tenant }) => tenant === "acme").reverse();
    expect(seen).toEqual(own.map(({ requestId }) => requestId));
    const { text } = await call(`${INGRESS}/ListRequests`, { pageToken: "x" });
    expect(text).toContain("page_token");
  });
});
