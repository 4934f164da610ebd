import { ChannelKind } from "@lanekeeper/protocol/lanekeeper/ingress/v1/channel";
import { Code, RpcError, storeUnavailable } from "@lanekeeper/rpc";
import { startSlackServer } from "@lanekeeper/testing";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { DEFAULT_LIMITS } from "../../limits.ts";
import { type Answer, ask } from "../../testing/ask.ts";
import { addAccount, CHANNEL_ENV } from "../../testing/channels.ts";
import {
  ADA,
  BOT,
  slackCallback,
  slackForm,
  slackHeaders,
  slackMessage,
  TEAM,
} from "../../testing/slack.ts";
import { startTestIngress, type TestIngress } from "../../testing/test-ingress.ts";

const SECRET = CHANNEL_ENV.SLACK_SIGNING_SECRET;
const ACCOUNT = {
  ...{ kind: ChannelKind.SLACK, accountId: TEAM },
  ...{ secretEnv: "SLACK_SIGNING_SECRET", tokenEnv: "SLACK_BOT_TOKEN" },
} as const;

let slack: Awaited<ReturnType<typeof startSlackServer>>;
let lane: TestIngress;

beforeEach(async () => {
  slack = await startSlackServer(CHANNEL_ENV.SLACK_BOT_TOKEN);
  lane = await startTestIngress({ channelEnv: CHANNEL_ENV, slackUrl: slack.apiUrl });
  addAccount(lane, ACCOUNT);
});
afterEach(async () => {
  await lane[Symbol.asyncDispose]();
  await slack[Symbol.asyncDispose]();
  expect(lane.log.text()).not.toContain(CHANNEL_ENV.SLACK_BOT_TOKEN);
});

function post(
  what: object | string,
  more: { headers?: Record<string, string>; forged?: string; at?: Date; path?: string } = {},
): Promise<Answer> {
  const body = typeof what === "string" ? what : JSON.stringify(what);
  const headers = { authorization: "", ...slackHeaders(body, SECRET, more.at), ...more.headers };
  return ask(lane, {
    path: more.path ?? `/channels/slack/${TEAM}`,
    headers,
    body: more.forged ?? body,
  });
}

const FORM = { "content-type": "application/x-www-form-urlencoded" };
const DIRECT = { channel: "D0DIRECT01", channel_type: "im" } as const;

test("the challenge of a new address is answered, under the signature", async () => {
  const challenge = {
    token: "X",
    challenge: "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmd",
    type: "url_verification",
  };
  expect(await post(challenge)).toMatchObject({
    status: 200,
    json: { challenge: challenge.challenge },
  });
  expect((await post(challenge, { headers: { "x-slack-signature": "v0=00" } })).status).toBe(401);
});

test("an event and its retry are one turn of its thread, answered there by the team's bot", async () => {
  expect(await post(slackCallback(slackMessage()))).toMatchObject({ status: 200, json: {} });
  const headers = { "x-slack-retry-num": "1", "x-slack-retry-reason": "http_timeout" };
  expect((await post(slackCallback(slackMessage()), { headers })).status).toBe(200);
  expect(lane.runner.turns).toHaveLength(1);
  expect(lane.runner.last.submit).toMatchObject({
    idempotencyKey: `slack/${TEAM}/C0123456789/1769860800.000100`,
    origin: { source: "slack", senderId: ADA, externalMessageId: "1769860800.000100" },
  });
  expect(lane.delivery.registered).toMatchObject([
    { accountId: TEAM, address: "C0123456789", threadId: "1769860800.000100" },
  ]);
});

test("an event that cannot be accepted within Slack's time comes again", async () => {
  lane.runner.refusal = storeUnavailable("away");
  expect((await post(slackCallback(slackMessage()))).status).toBe(503);
  lane.runner.refusal = undefined;
  expect((await post(slackCallback(slackMessage()))).status).toBe(200);
  expect(lane.runner.turns).toHaveLength(1);
});

test("a channel's new id is told to delivery before both are one name, and comes again where it is away", async () => {
  const ids = { old_channel_id: "G0123456789", new_channel_id: "C0999999999" };
  const renamed = slackCallback({ type: "channel_id_changed", ...ids });
  lane.delivery.moveRefusal = storeUnavailable("away");
  expect((await post(renamed)).status).toBe(503);
  expect(lane.identity.calls).toEqual([]);
  lane.delivery.moveRefusal = undefined;
  expect((await post(renamed)).status).toBe(200);
  expect(lane.delivery.moved).toMatchObject([
    { accountId: TEAM, address: "G0123456789", newAddress: "C0999999999" },
  ]);
  expect(lane.identity.calls.map(({ method }) => method)).toEqual(["registerEquivalence"]);
});

test("a delivery of the release before, which knows of no moves, keeps no channel's names apart", async () => {
  lane.delivery.moveRefusal = new RpcError(Code.UNIMPLEMENTED, "no such call");
  const ids = { old_channel_id: "G0123456789", new_channel_id: "C0999999999" };
  const renamed = slackCallback({ type: "channel_id_changed", ...ids });
  expect((await post(renamed)).status).toBe(200);
  expect(lane.identity.calls.map(({ method }) => method)).toEqual(["registerEquivalence"]);
});

test("a direct message registers its person's two ids, once in a while", async () => {
  for (const ts of ["1.1", "1.2"]) await post(slackCallback(slackMessage({ ...DIRECT, ts })));
  const calls = lane.identity.calls.filter(({ method }) => method === "registerEquivalence");
  expect(calls).toHaveLength(1);
  expect(lane.runner.turns).toHaveLength(2);
  expect(lane.identity.sessions.size).toBe(1);
});

test("a slash command is answered to its person alone, and repeats do nothing", async () => {
  await post(slackCallback(slackMessage(DIRECT)));
  const first = await post(slackForm(), { headers: FORM });
  expect([first.status, first.json]).toEqual([
    200,
    { response_type: "ephemeral", text: "This conversation begins anew." },
  ]);
  await post(slackForm(), { headers: FORM });
  expect([...lane.identity.sessions.values()]).toMatchObject([{ generation: 2n }]);
  expect(lane.delivery.said.size).toBe(0);
  expect(lane.runner.turns).toHaveLength(1);
});

test("a command in a thread is answered in the thread", async () => {
  await post(slackCallback(slackMessage()));
  const below = { text: "/status", ts: "1769860900.000200", thread_ts: "1769860800.000100" };
  expect(await post(slackCallback(slackMessage(below)))).toMatchObject({ status: 200, json: {} });
  expect([...lane.delivery.said.values()]).toMatchObject([
    { parts: [{ content: { value: expect.stringContaining("Generation 1") } }] },
  ]);
});

test.each(["status", "stop"])(
  "/%s is answered where nobody has said anything yet",
  async (word) => {
    await post(slackCallback(slackMessage({ ...DIRECT, text: `/${word}` })));
    expect([...lane.delivery.said.values()]).toMatchObject([
      { parts: [{ content: { value: "There is no conversation here yet." } }] },
    ]);
    expect(lane.delivery.registered).toMatchObject([{ address: "D0DIRECT01", threadId: "" }]);
    expect(lane.runner.turns).toHaveLength(0);
  },
);

test("/new where nobody has said anything yet is answered, and sent again ends nothing", async () => {
  const anew = slackCallback(slackMessage({ ...DIRECT, text: "/new", ts: "1769860800.000100" }));
  await post(anew);
  const [said] = lane.delivery.said.values();
  expect(said?.parts[0]?.content.value).toBe(
    "There is no conversation here yet. It begins with your next message.",
  );
  await post(slackCallback(slackMessage({ ...DIRECT, ts: "1769860900.000200" })));
  const { target } = lane.runner.last.submit;
  await post(anew);
  const [now] = lane.identity.sessions.values();
  expect(target.value).toMatchObject({ sessionId: now?.sessionId });
});

test("a slash command where nobody has said anything yet opens no conversation", async () => {
  const { json } = await post(slackForm({ command: "/lane-status" }), { headers: FORM });
  expect(json).toMatchObject({ text: "There is no conversation here yet." });
  expect(lane.identity.sessions.size).toBe(0);
});

test("a file of a message is fetched with the bot's token", async () => {
  const url_private = `${slack.origin}/files/a.txt`;
  slack.always("/files/a.txt", { answer: { contents: "as JSON" } });
  const files = [{ id: "F1", name: "a.txt", mimetype: "text/plain", size: 22, url_private }];
  await post(slackCallback(slackMessage({ subtype: "file_share", text: "Look", files })));
  const [, file] = lane.runner.last.submit.messages[0]?.parts ?? [];
  expect(file).toMatchObject({
    content: { value: { fileName: "a.txt", source: { case: "data" } } },
  });
  const [call] = slack.of("/files/a.txt");
  expect(call?.headers.authorization).toBe(`Bearer ${CHANNEL_ENV.SLACK_BOT_TOKEN}`);
});

test("where Slack gives the page to sign in at in place of a file, the file is named, and the page is none", async () => {
  const url_private = `${slack.origin}/files/a.png`;
  const headers = { "content-type": "text/html; charset=utf-8" };
  slack.always("/files/a.png", { headers, answer: { page: "Sign in to Slack" } });
  const file = { id: "F1", name: "a.png", mimetype: "image/png", size: 22, url_private };
  const shared = { subtype: "file_share", text: "Look" };
  await post(slackCallback(slackMessage({ ...shared, files: [file] })));
  expect(lane.runner.last.submit.messages[0]?.parts[1]).toMatchObject({
    content: { case: "text", value: "[file: a.png, image/png, 22 bytes, not passed on]" },
  });
  const page = { ...file, name: "a.html", mimetype: "text/html" };
  await post(slackCallback(slackMessage({ ...shared, ts: "2.2", files: [page] })));
  expect(lane.runner.last.submit.messages[0]?.parts[1]).toMatchObject({
    content: { case: "file" },
  });
});

test("an app of several teams is served at one address, each team by its own account", async () => {
  addAccount(lane, { ...ACCOUNT, accountId: "T0OTHER", agentId: "helper" });
  const installedIn = (team_id: string) => {
    return { team_id, authorizations: [{ team_id, user_id: BOT, is_bot: true }] };
  };
  const other = slackCallback(slackMessage(), installedIn("T0OTHER"));
  expect((await post(other)).status).toBe(200);
  expect(lane.runner.last.submit.idempotencyKey).toMatch(/^slack\/T0OTHER\//);
  const unknown = slackCallback(slackMessage(), installedIn("T0NOBODY"));
  expect((await post(unknown)).status).toBe(401);
  expect(lane.runner.turns).toHaveLength(1);
});

test("what a partner says in a shared channel comes to the team that has the bot", async () => {
  const partner = slackCallback(slackMessage(), { team_id: "T0PARTNER" });
  expect((await post(partner)).status).toBe(200);
  expect(lane.runner.last.submit.idempotencyKey).toMatch(new RegExp(`^slack/${TEAM}/`));
  expect(lane.delivery.registered).toMatchObject([{ accountId: TEAM }]);
});

test("of more files than one turn can take the others are named", async () => {
  const mib = 1024 * 1024;
  const files = Array.from({ length: 10 }, (_, at) => {
    const path = `/files/${at}.png`;
    slack.always(path, { answer: { contents: "x".repeat(mib - 1_000) } });
    const url_private = `${slack.origin}${path}`;
    return { id: `F${at}`, name: `${at}.png`, mimetype: "image/png", size: mib, url_private };
  });
  await post(slackCallback(slackMessage({ subtype: "file_share", text: "Look", files })));
  const parts = lane.runner.last.submit.messages[0]?.parts ?? [];
  expect(parts).toHaveLength(11);
  const bytes = parts.map(({ content }) =>
    content.case === "file" && content.value.source.case === "data"
      ? content.value.source.value.length
      : 0,
  );
  const sum = bytes.reduce((all, one) => all + one);
  expect(sum).toBeGreaterThan(2 * mib);
  expect(sum).toBeLessThan(DEFAULT_LIMITS.maxTurnBytes - 256 * 1024);
  expect(parts.at(-1)).toMatchObject({
    content: { case: "text", value: expect.stringContaining("9.png") },
  });
});

test("that Slack has left events out is said to the operator", async () => {
  const limited = { type: "app_rate_limited", team_id: TEAM, minute_rate_limited: 1_769_860_800 };
  expect((await post({ token: "XXYYZZ", api_app_id: "A0APP", ...limited })).status).toBe(200);
  const told = lane.log.lines.find(({ level }) => level === "warn");
  expect(told).toMatchObject({
    ...{ channel: "slack", account_id: TEAM },
    msg: "Slack has left events out in the minute from 2026-01-31T12:00:00.000Z on: there were too many",
  });
});

describe("bad input changes nothing:", () => {
  const event = slackCallback(slackMessage());
  afterEach(() => {
    expect(lane.identity.calls).toEqual([]);
    expect(lane.runner.calls).toEqual([]);
  });

  test.each([
    ["a forged body", { forged: JSON.stringify(slackCallback(slackMessage({ text: "Pay" }))) }],
    ["a post that is replayed later", { at: new Date(Date.now() - 400_000) }],
    ["a time of the future", { at: new Date(Date.now() + 400_000) }],
    ["another time", { headers: { "x-slack-request-timestamp": "1531420618" } }],
    ["no time", { headers: { "x-slack-request-timestamp": "" } }],
    ["no signature", { headers: { "x-slack-signature": "" } }],
    ["an account that is not there", { path: "/channels/slack/T0NOBODY" }],
  ])("%s is 401", async (_what, more) => {
    expect((await post(event, more)).status).toBe(401);
  });

  test.each([
    ["no JSON", "{", {}, 400],
    ["no event", slackCallback({}, { event: 7 }), {}, 400],
    ["a command without its conversation", slackForm({ channel_id: "" }), FORM, 400],
    ["a command without its id", slackForm({ trigger_id: "" }), FORM, 400],
    ["another type", "x", { "content-type": "text/plain" }, 415],
    ["too large", { type: "x", x: "x".repeat(4_200_000) }, {}, 413],
  ] as const)("%s", async (_what, body, headers, status) => {
    expect((await post(body, { headers })).status).toBe(status);
  });
});
