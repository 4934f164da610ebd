import { ChannelKind } from "@lanekeeper/protocol/lanekeeper/ingress/v1/channel";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ask, HELLO } from "../testing/ask.ts";
import { addAccount, CHANNEL_ENV, HELPDESK, postEvent } from "../testing/channels.ts";
import { startTestIngress, type TestIngress } from "../testing/test-ingress.ts";

/** What is refused for what was known before its name was resolved, for which it would have opened a session. */
let lane: TestIngress;

beforeEach(async () => {
  lane = await startTestIngress({ channelEnv: CHANNEL_ENV });
  addAccount(lane, HELPDESK);
});
afterEach(async () => {
  const { identity, runner, delivery } = lane;
  expect(identity.calls.map(({ method }) => method)).toEqual([]);
  expect([identity.sessions.size, runner.turns.length]).toEqual([0, 0]);
  expect(delivery.registered).toEqual([]);
  await lane[Symbol.asyncDispose]();
});

const KEYED = { "x-session-key": "ticket:77" };
const RESPONSE = { model: "lanekeeper", input: "Hi" };

async function refusal(path: string, body: object, headers: Record<string, string> = KEYED) {
  const { status, json } = await ask(lane, { path, body, headers });
  return [status, (json as { error: { code: string } }).error.code];
}

describe.each([
  ["/v1/chat/completions", HELLO],
  ["/v1/responses", RESPONSE],
])("a request at %s", (path, body) => {
  test("for an agent that its key names and nobody has", async () => {
    const headers = { "x-session-key": "agent:nobody:ticket:77" };
    expect(await refusal(path, body, headers)).toEqual([404, "UNKNOWN_MODEL"]);
  });

  test("for a default agent that the runner does not know yet", async () => {
    lane.identity.defaultAgentId = "tomorrow";
    expect(await refusal(path, body)).toEqual([404, "UNKNOWN_MODEL"]);
  });

  test("with more for the model beside the messages than a turn takes", async () => {
    const tools = Array.from({ length: 128 }, (_, n) => ({
      ...{ type: "function", name: `f${n}` },
      function: { name: `f${n}`, description: "x".repeat(2_048) },
    }));
    expect(await refusal(path, { ...body, tools })).toEqual([413, "PAYLOAD_TOO_LARGE"]);
  });
});

describe("an event", () => {
  const SAID = { session_key: "ticket:77", text: "Hello" };

  test.each([
    ["sender_id", "\u00e9".repeat(200)],
    ["message_id", "\u20ac".repeat(200)],
  ])("with a %s of more bytes than a turn takes", async (field, value) => {
    const { status, json } = await postEvent(lane, { ...SAID, [field]: value });
    expect([status, json]).toMatchObject([400, { error: { code: "INVALID_REQUEST" } }]);
  });

  test("of an account whose agent nobody has", async () => {
    const account = { ...HELPDESK, kind: ChannelKind.WEBHOOK, accountId: "lost" };
    addAccount(lane, { ...account, agentId: "nobody" });
    const { status, json } = await postEvent(lane, SAID, { path: "/channels/webhook/lost" });
    expect([status, json]).toMatchObject([404, { error: { code: "UNKNOWN_MODEL" } }]);
  });
});
