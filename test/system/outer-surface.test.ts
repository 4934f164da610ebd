import { randomUUID } from "node:crypto";

import { startConstellation } from "@lanekeeper/testing";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { BAD_REQUESTS } from "../support/bad-requests.ts";
import { openAi, say } from "../support/client.ts";
import { sendRaw } from "../support/send-raw.ts";

let lanekeeper: Awaited<ReturnType<typeof startConstellation>>;

beforeAll(async () => {
  lanekeeper = await startConstellation();
});
afterAll(() => lanekeeper?.stop());

describe("bad input gets its reason in OpenAI's shape, and changes nothing", () => {
  test.each(BAD_REQUESTS)("%s: %i %s", async (_what, status, reason, make) => {
    const before = await written();
    const auth = ["authorization", `Bearer ${lanekeeper.apiKey}`];
    const answer = await sendRaw(lanekeeper.baseUrl, make(auth));
    expect(answer.status).toBe(status);
    const { error } = JSON.parse(answer.text) as { error: Record<string, unknown> };
    expect(error["code"]).toBe(reason);
    expect(error["message"]).toEqual(expect.any(String));
    expect(error["type"]).toEqual(expect.any(String));
    expect(answer.headers["x-request-id"]).toBeDefined();
    expect(answer.headers["x-should-retry"]).toBe("false");
    expect(await written()).toEqual(before);
  });

  async function written() {
    const { sessions } = await lanekeeper.call(
      "identity.v1.SessionIdentityService/ListSessions",
      {},
    );
    const { turns } = await lanekeeper.call("runner.v1.RunnerService/ListTurns", {});
    return { sessions, turns };
  }
});

describe("Connect JSON", () => {
  const resolve = "identity.v1.SessionIdentityService/ResolveSession";

  test("resolves a key as curl would", async () => {
    const answer = await lanekeeper.call(resolve, { rawKey: "connect:1" });
    expect(answer["session"]).toMatchObject({
      ref: { sessionKey: "agent:main:connect:1", generation: "1" },
    });
    const again = await lanekeeper.call(resolve, { rawKey: "agent:main:connect:1" });
    expect(again["session"]).toEqual(answer["session"]);
  });

  test.each([
    [
      "a misspelt field",
      "RotateSession",
      {
        requestId: "r",
        sessionKey: "agent:main:connect:1",
        reason: "ROTATION_REASON_RESET",
        expectedGeneratoin: "3",
      },
    ],
    [
      "a misspelt enum value",
      "RotateSession",
      { requestId: "r", sessionKey: "agent:main:connect:1", reason: "ROTATION_REASON_REST" },
    ],
    ["a wrong type", "ResolveSession", { rawKey: 7 }],
  ])("refuses %s and changes nothing", async (_what, method, request) => {
    await lanekeeper.call(resolve, { rawKey: "connect:1" });
    const call = lanekeeper.call(`identity.v1.SessionIdentityService/${method}`, request);
    await expect(call).rejects.toMatchObject({ status: 400, reason: "INVALID_REQUEST" });
    const { session } = await lanekeeper.call("identity.v1.SessionIdentityService/GetSession", {
      sessionKey: "agent:main:connect:1",
    });
    expect(session).toMatchObject({ ref: { generation: "1" } });
  });

  test("offers no call that belongs to services alone", async () => {
    const begin = lanekeeper.call("identity.v1.SessionIdentityService/BeginRun", {
      sessionKey: "agent:main:connect:1",
      runId: randomUUID(),
    });
    await expect(begin).rejects.toMatchObject({ status: expect.toBeOneOf([403, 404]) });
  });

  test("explains a key that would be refused", async () => {
    const answer = await lanekeeper.call("identity.v1.SessionIdentityService/ExplainKey", {
      rawKey: "cron:nightly",
    });
    expect(JSON.stringify(answer["refusal"])).toContain("RESERVED_NAMESPACE");
  });
});

describe("receipts", () => {
  test("headers and body tell which session was hit", async () => {
    const { receipt, headers } = await say(openAi(lanekeeper), "receipt:1", "hi", {
      "x-request-id": "label-1",
    });
    expect(headers.get("x-request-id")).toBe("label-1");
    expect(headers.get("x-session-key")).toBe("agent:main:receipt:1");
    expect(headers.get("x-session-id")).toBe(receipt.session_id);
    expect(headers.get("x-session-generation")).toBe("1");
    expect(headers.get("x-turn-id")).toBe(receipt.turn_id);
    expect(receipt).toMatchObject({ session_key: "agent:main:receipt:1", generation: 1 });
  });

  test("a key that is not ASCII comes back percent-encoded", async () => {
    const client = openAi(lanekeeper);
    const { response } = await client.chat.completions
      .create(
        { model: "lanekeeper", messages: [{ role: "user", content: "hi" }] },
        { headers: { "x-session-key-encoded": encodeURIComponent("notes:café") } },
      )
      .withResponse();
    const encoded = response.headers.get("x-session-key-encoded");
    expect(decodeURIComponent(encoded ?? "")).toBe("agent:main:notes:café");
  });

  test("without a key the request is stateless, and says so", async () => {
    const client = openAi(lanekeeper);
    const { data, response } = await client.chat.completions
      .create({ model: "lanekeeper", messages: [{ role: "user", content: "hi" }] })
      .withResponse();
    expect(response.headers.get("x-lane-disposition")).toBe("stateless");
    expect(response.headers.get("x-session-id")).toBeNull();
    expect(data.choices[0]?.message.content).toContain("scripted");
  });
});
