import OpenAI from "openai";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ask } from "../../testing/ask.ts";
import { holdTurn } from "../../testing/stand-in-runner.ts";
import { startTestIngress, type TestIngress } from "../../testing/test-ingress.ts";

let lane: TestIngress;
let client: OpenAI;

const clientOf = ({ apiKey, url }: TestIngress) =>
  new OpenAI({ apiKey, baseURL: `${url}/v1`, maxRetries: 0 });

beforeEach(async () => {
  lane = await startTestIngress();
  client = clientOf(lane);
});

afterEach(async () => {
  await lane[Symbol.asyncDispose]();
});

const KITCHEN = { headers: { "x-session-key": "kitchen" } };

const WEATHER = {
  type: "function" as const,
  name: "weather",
  parameters: { type: "object" },
  strict: true,
};

function get(path: string, more: { readonly key?: string } = {}) {
  const headers = more.key === undefined ? {} : { authorization: `Bearer ${more.key}` };
  return ask(lane, { method: "GET", path, headers });
}

describe("a stored response", () => {
  test("is told as it was answered", async () => {
    const body = { model: "openclaw", input: "Hi", instructions: "Be brief.", tools: [WEATHER] };
    const { json: answered } = await ask(lane, { path: "/v1/responses", body, ...KITCHEN });
    const { id, completed_at: _1, lanekeeper: _2, ...same } = answered as Record<string, unknown>;
    const { status, json, headers } = await get(`/v1/responses/${String(id)}`);
    expect(status).toBe(200);
    expect(json).toMatchObject({ ...same, id });
    expect(headers).toMatchObject({
      "x-lane-disposition": "started",
      "x-session-key": "agent:main:kitchen",
      "x-turn-id": lane.runner.last.turnId,
    });
    expect(await client.responses.retrieve(String(id))).toMatchObject({
      id,
      output_text: "Hello, world",
    });
  });

  test.each([
    ["another credential of the tenant", { principal: "somebody-else" }],
    ["another tenant", { tenant: "acme", principal: "lk_test_" }],
  ])("is NOT_FOUND for %s, like one that never was", async (_what, who) => {
    const { json } = await ask(lane, {
      path: "/v1/responses",
      body: { model: "lanekeeper", input: "Hi" },
    });
    const { id } = json as { id: string };
    const key = lane.credentials.add("lk_other_key_0123456789abcdef", who);
    if ("tenant" in who) lane.runner.turns.splice(0);
    const path = `/v1/responses/${id}`;
    const found = await get(path, { key });
    const unknown = id.replace(/.{4}$/, "0000");
    const missing = await get(`/v1/responses/${unknown}`, { key });
    expect(found.status).toBe(404);
    expect(withoutIds(found.text, id)).toBe(withoutIds(missing.text, unknown));
    const cancel = await ask(lane, {
      path: `${path}/cancel`,
      headers: { authorization: `Bearer ${key}` },
    });
    expect(cancel.status).toBe(404);
    const body = { model: "lanekeeper", input: "x", previous_response_id: id };
    const headers = { authorization: `Bearer ${key}` };
    expect((await ask(lane, { path: "/v1/responses", body, headers })).status).toBe(404);
  });

  test("that was to be kept nowhere is told to nobody", async () => {
    const body = { model: "lanekeeper", input: "Hi", store: false };
    const { json } = await ask(lane, { path: "/v1/responses", body });
    expect(json).toMatchObject({ store: false });
    expect((await get(`/v1/responses/${(json as { id: string }).id}`)).status).toBe(404);
  });

  test("is told while it waits and while it is answered, and is cancelled", async () => {
    lane.runner.script = holdTurn;
    const left = new AbortController();
    const asked = ask(lane, {
      path: "/v1/responses",
      body: { model: "lanekeeper", input: "Hi" },
      ...KITCHEN,
    }).finally(() => left.abort());
    await expect.poll(() => lane.runner.turns.length).toBe(1);
    const turn = lane.runner.last;
    const id = `resp_${turn.turnId}`;
    expect(await client.responses.retrieve(id)).toMatchObject({ status: "queued", output: [] });
    turn.begin();
    expect(await client.responses.retrieve(id)).toMatchObject({ status: "in_progress" });
    expect(await client.responses.cancel(id)).toMatchObject({
      status: "cancelled",
      error: { code: "TURN_CANCELLED" },
    });
    expect((await asked).status).toBe(409);
    expect(await client.responses.cancel(id)).toMatchObject({ status: "cancelled" });
    const calls = lane.runner.calls.filter(({ method }) => method === "cancelTurn");
    expect(calls).toHaveLength(1);
  });

  test("whose run does not end in time is told as it stands", async () => {
    await using hasty = await startTestIngress({ limits: { cancelWaitMs: 50 } });
    const { runner } = hasty;
    runner.script = (turn) => turn.begin();
    runner.onCancel = () => undefined;
    const asked = ask(hasty, { path: "/v1/responses", body: { model: "lanekeeper", input: "Hi" } });
    await expect.poll(() => runner.turns.length).toBe(1);
    const id = `resp_${runner.last.turnId}`;
    const cancelled = await clientOf(hasty).responses.cancel(id);
    expect(cancelled).toMatchObject({ status: "in_progress" });
    runner.last.complete();
    await asked;
  });
});

function withoutIds(text: string, id: string): string {
  return text.replaceAll(id, "<id>").replaceAll(/[0-9a-f-]{36}/g, "<uuid>");
}
