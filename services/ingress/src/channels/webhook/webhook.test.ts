import { Disposition } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { later, LanekeeperError, storeUnavailable } from "@lanekeeper/rpc";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { addAccount, CHANNEL_ENV, HELPDESK, postEvent, soon } from "../../testing/channels.ts";
import { holdTurn } from "../../testing/stand-in-runner.ts";
import { startTestIngress, type TestIngress } from "../../testing/test-ingress.ts";

let lane: TestIngress;

beforeEach(async () => {
  lane = await startTestIngress({ channelEnv: CHANNEL_ENV });
  addAccount(lane, HELPDESK);
});
afterEach(async () => {
  await lane[Symbol.asyncDispose]();
});

const SAID = { session_key: "ticket:77", text: "Hello", sender_id: "ada" };
const submits = () => lane.runner.calls.filter(({ method }) => method === "submitTurn");

describe("a signed event", () => {
  test("becomes a turn under its id, and is acknowledged when the turn is committed", async () => {
    const { status, json, headers } = await postEvent(lane, SAID);
    expect([status, json]).toMatchObject([
      202,
      {
        turn_id: lane.runner.last.turnId,
        disposition: "started",
        session: { key: "agent:main:ticket:77", generation: 1 },
      },
    ]);
    expect(headers).toMatchObject({
      ...{ "x-request-id": expect.any(String), "x-lane-disposition": "started" },
    });
    expect(lane.runner.last.submit).toMatchObject({
      idempotencyKey: "webhook/helpdesk/evt-1",
      routeId: "",
      messages: [{ senderId: "ada", parts: [{ content: { case: "text", value: "Hello" } }] }],
      origin: { source: "webhook", rawKey: "ticket:77", senderId: "ada" },
    });
    expect(submits()[0]?.call).toMatchObject({
      ...{ tenant: "default", principal: "webhook/helpdesk", scopes: ["chat"] },
    });
  });

  test("that comes again joins its turn, also after a reset and under a dead name", async () => {
    const first = await postEvent(lane, SAID);
    lane.identity.refusal = new LanekeeperError("KEY_MOVED", "merged away");
    const again = await postEvent(lane, SAID);
    expect(again.json).toMatchObject({
      ...{ turn_id: lane.runner.last.turnId, disposition: "joined" },
    });
    expect(first.json).toMatchObject({ turn_id: lane.runner.last.turnId });
    expect(lane.runner.turns).toHaveLength(1);
  });

  test("with other content under the same id is refused, and no second turn", async () => {
    await postEvent(lane, SAID);
    const { status, json } = await postEvent(lane, { ...SAID, text: "Other" });
    expect([status, json]).toMatchObject([422, { error: { code: "IDEMPOTENCY_MISMATCH" } }]);
    expect(lane.runner.turns).toHaveLength(1);
  });

  test("of a peer acts for its channel, and its replies go to the account's address", async () => {
    addAccount(lane, {
      ...{ ...HELPDESK, accountId: "crm" },
      webhook: { channel: "crm", replyUrl: "https://crm.example/replies" },
    });
    const peer = { kind: "group", id: "Board 7", thread: "3" };
    const files = [{ uri: "https://crm.example/a.png", media_type: "image/png" }, { data: "aGk=" }];
    const { status, json } = await postEvent(
      lane,
      { peer, text: "Hi", files, message_id: "m-1" },
      { path: "/channels/webhook/crm" },
    );
    expect([status, json]).toMatchObject([202, { signing_secret: "whsec_stand-in" }]);
    expect(lane.delivery.registered).toMatchObject([{ address: "https://crm.example/replies" }]);
    expect(lane.runner.last.submit).toMatchObject({
      origin: {
        peer: { channel: "crm", accountId: "crm", peerId: "Board 7", threadId: "3" },
        externalMessageId: "m-1",
      },
      messages: [
        {
          parts: [
            { content: { value: "Hi" } },
            { content: { value: { source: { case: "uri" }, mediaType: "image/png" } } },
            { content: { value: { source: { case: "data", value: Buffer.from("hi") } } } },
          ],
        },
      ],
    });
    expect(submits()[0]?.call.scopes).toEqual(["adapter"]);
  });

  test("stands in the request log under its account, with what it was told", async () => {
    await postEvent(lane, SAID);
    await soon(() => lane.requests.entries.length).toBe(1);
    expect(lane.requests.entries[0]).toMatchObject({
      ...{ tenant: "default", principal: "webhook/helpdesk", route: "POST /channels/*" },
      ...{ rawKey: "ticket:77", turnId: lane.runner.last.turnId, status: 202 },
    });
  });
});

describe("what asks the sender to come again:", () => {
  test.each([
    [storeUnavailable("the runner is away"), 503],
    [later("QUEUE_FULL", "128 turns wait", 2_000), 429],
    [later("RATE_LIMITED", "slowly", 2_000), 429],
  ])("%s", async (refusal, wanted) => {
    lane.runner.refusal = refusal;
    const { status, headers } = await postEvent(lane, SAID);
    expect(status).toBe(wanted);
    expect(headers).toMatchObject({ "x-should-retry": "true", "retry-after": expect.anything() });
    lane.runner.refusal = undefined;
    expect((await postEvent(lane, SAID)).status).toBe(202);
  });
});

describe("commands go past the lane:", () => {
  const command = (name: string, id: string, more: object = {}) =>
    postEvent(lane, { session_key: "ticket:77", command: name, ...more }, { id });

  test("none opens a conversation", async () => {
    const { status, json } = await command("new", "c-1");
    expect([status, json]).toEqual([
      200,
      { command: "new", text: "There is no conversation here yet." },
    ]);
    expect(lane.identity.sessions.size).toBe(0);
  });

  test("new resets once for each event, however often it comes", async () => {
    await postEvent(lane, SAID);
    const first = await command("new", "c-1");
    expect(first.json).toMatchObject({ session: { generation: 2 } });
    await postEvent(lane, SAID, { id: "evt-2" });
    const again = await command("new", "c-1");
    expect(again.json).toMatchObject({ text: expect.stringContaining("already") });
    expect(lane.identity.sessions.get("agent:main:ticket:77")?.generation).toBe(2n);
    expect(lane.runner.turns).toHaveLength(2);
  });

  test("status tells what runs and waits", async () => {
    lane.runner.script = (turn) => turn.begin();
    await postEvent(lane, SAID);
    const { json } = await command("status", "c-1");
    expect(json).toMatchObject({
      text: "An answer is being written, 2 messages wait. Generation 1.",
    });
  });

  test("stop ends what ran when it was said, and nothing that was asked since", async () => {
    lane.runner.script = (turn) => turn.begin();
    await postEvent(lane, SAID);
    const stopped = await command("stop", "c-1");
    expect(stopped.json).toMatchObject({ text: "Stopped." });
    expect(lane.runner.last.hasEnded).toBe(true);
    await postEvent(lane, SAID, { id: "evt-2" });
    const old = new Date(Date.now() - 60_000).toISOString();
    const late = await command("stop", "c-2", { sent_at: old });
    expect(late.json).toMatchObject({ text: "Nothing is running." });
    expect(lane.runner.last.hasEnded).toBe(false);
  });
});

test("events of one conversation that come at once are one turn each, and of one event one turn", async () => {
  lane.runner.script = holdTurn;
  lane.runner.disposition = Disposition.QUEUED;
  const ids = ["a", "a", "b", "c", "a"];
  const answers = await Promise.all(ids.map((id) => postEvent(lane, SAID, { id })));
  expect(answers.map(({ status }) => status)).toEqual([202, 202, 202, 202, 202]);
  expect(lane.runner.turns).toHaveLength(3);
  expect(lane.identity.sessions.size).toBe(1);
});

test("posts of a tenant's accounts share its limit; over it the sender is told when to come again", async () => {
  await lane.settings.write("default", {
    ...{ sessionSources: [], requiresSession: false },
    rateLimit: { requestsPerMinute: 1, burst: 1 },
  });
  const event = { session_key: "ticket:77", text: "Hello", sender_id: "ada" };
  expect((await postEvent(lane, event)).status).toBe(202);
  const forged = await postEvent(lane, event, { id: "evt-2", forged: "{}" });
  expect(forged.status).toBe(401);
  const refused = await postEvent(lane, event, { id: "evt-2" });
  expect([refused.status, refused.json]).toMatchObject([429, { error: { code: "RATE_LIMITED" } }]);
  expect(refused.headers).toMatchObject({
    "retry-after": expect.stringMatching(/^(5\d|60)$/),
    "ratelimit-remaining": "0",
  });
  expect(lane.runner.turns).toHaveLength(1);
});

test("an account has its own limit: a burst waits for its room and is not lost, beyond that 429 tells when", async () => {
  addAccount(lane, {
    ...{ ...HELPDESK, accountId: "limited" },
    rateLimit: { requestsPerMinute: 600, burst: 1 },
  });
  addAccount(lane, {
    ...{ ...HELPDESK, accountId: "slow" },
    rateLimit: { requestsPerMinute: 1, burst: 1 },
  });
  const event = { session_key: "ticket:77", text: "Hello", sender_id: "ada" };
  const post = (account: string, id: string) =>
    postEvent(lane, event, { id, path: `/channels/webhook/${account}` });
  const burst = await Promise.all(["1", "2", "3", "4"].map((id) => post("limited", id)));
  expect(burst.map(({ status }) => status)).toEqual([202, 202, 202, 202]);
  expect((await post("slow", "1")).status).toBe(202);
  const refused = await post("slow", "2");
  expect([refused.status, refused.json]).toMatchObject([
    429,
    { error: { code: "RATE_LIMITED", lanekeeper: { metadata: { limit_of: "account" } } } },
  ]);
  expect(refused.headers).toMatchObject({ "retry-after": expect.stringMatching(/^(5\d|60)$/) });
  expect(lane.runner.turns).toHaveLength(5);
});

test("the line of a post tells its channel and its account", async () => {
  await postEvent(lane, { session_key: "ticket:77", text: "Hello", sender_id: "ada" });
  const line = () => lane.log.lines.find(({ msg }) => msg === "request");
  await expect.poll(line).toMatchObject({
    ...{ channel: "webhook", account: "helpdesk", principal: "webhook/helpdesk" },
    ...{ route: "POST /channels/*", tenant: "default", status: 202 },
  });
});
