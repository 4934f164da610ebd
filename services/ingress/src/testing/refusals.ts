import { afterAll, beforeAll, expect, test } from "vitest";
import { type Ask, ask } from "./ask.ts";
import { startTestIngress, type TestIngress } from "./test-ingress.ts";

/** What is wrong, how it is asked, and what the answer to it is. */
export type Refused = readonly [
  what: string,
  ask: Ask,
  status: number,
  code: string,
  param: string | null,
];

export const USER = { role: "user", content: "Hi" };

/** A key that may use one agent, and one that may not chat. */
export const ONE_AGENT_KEY = "lk_key_of_one_agent_0123456789";
export const OPERATORS_KEY = "lk_key_of_operators_0123456789";

/** One ingress with small bounds, for a file of tests. */
export function ingressForRefusals(): () => TestIngress {
  let lane: TestIngress;
  beforeAll(async () => {
    lane = await startTestIngress({ limits: { maxBodyBytes: 20_000, maxShownMessages: 5 } });
    lane.credentials.add(ONE_AGENT_KEY, { agents: ["helper"] });
    lane.credentials.add(OPERATORS_KEY, { scopes: ["operator"] });
  });
  afterAll(async () => {
    await lane[Symbol.asyncDispose]();
  });
  return () => lane;
}

/** Each is told why, in OpenAI's shape, and has no turn. */
export function testRefusals(lane: () => TestIngress, cases: readonly Refused[]): void {
  test.each(cases)("%s", async (_what, asked, status, code, param) => {
    const { json, headers, status: got } = await ask(lane(), asked);
    expect(json).toMatchObject({ error: { code, param, message: expect.stringMatching(/.{10}/) } });
    expect(got).toBe(status);
    expect(headers).toMatchObject({
      "x-should-retry": "false",
      "x-lane-disposition": "rejected",
      "x-request-id": expect.stringMatching(/^[0-9a-f-]{36}$/),
      "content-type": "application/json; charset=utf-8",
    });
    expect(lane().runner.turns).toHaveLength(0);
  });
}
