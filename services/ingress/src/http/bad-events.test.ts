import { ChannelKind } from "@lanekeeper/protocol/lanekeeper/ingress/v1/channel";
import { beforeAll, describe, expect, test } from "vitest";
import { type Answer, ask } from "../testing/ask.ts";
import { addAccount, CHANNEL_ENV, postEvent } from "../testing/channels.ts";
import { nothingWritten } from "../testing/nothing-written.ts";
import { slackHeaders, TEAM } from "../testing/slack.ts";

const MAX_BYTES = 50_000;
const lane = nothingWritten({ maxEventBytes: MAX_BYTES });

beforeAll(() => {
  addAccount(lane(), {
    ...{ kind: ChannelKind.SLACK, accountId: TEAM },
    ...{ secretEnv: "SLACK_SIGNING_SECRET", tokenEnv: "SLACK_BOT_TOKEN" },
  });
  addAccount(lane(), {
    ...{ kind: ChannelKind.TELEGRAM, accountId: "helpdesk_bot" },
    ...{ secretEnv: "TELEGRAM_WEBHOOK_SECRET", tokenEnv: "TELEGRAM_BOT_TOKEN" },
  });
});

const LONG_AGO = new Date(Date.now() - 3_600_000);

function slack(body: string, secret: string, at?: Date): Promise<Answer> {
  const headers = { authorization: "", ...slackHeaders(body, secret, at) };
  return ask(lane(), { path: `/channels/slack/${TEAM}`, headers, body });
}

function telegram(body: string, secret: string): Promise<Answer> {
  const headers = { authorization: "", "x-telegram-bot-api-secret-token": secret };
  return ask(lane(), { path: "/channels/telegram/helpdesk_bot", headers, body });
}

/** Each channel: a post that shows its secret, and posts that show something else. */
const CHANNELS: readonly (readonly [
  channel: string,
  genuine: (body: string) => Promise<Answer>,
  others: Readonly<Record<string, (body: string) => Promise<Answer>>>,
])[] = [
  [
    "webhook",
    (body) => postEvent(lane(), body),
    {
      forged: (body) => postEvent(lane(), body, { forged: `${body} ` }),
      replayed: (body) => postEvent(lane(), body, { at: LONG_AGO }),
      "of another secret": (body) =>
        postEvent(lane(), body, { secret: `whsec_${btoa("x".repeat(24))}` }),
    },
  ],
  [
    "slack",
    (body) => slack(body, CHANNEL_ENV.SLACK_SIGNING_SECRET),
    {
      replayed: (body) => slack(body, CHANNEL_ENV.SLACK_SIGNING_SECRET, LONG_AGO),
      "of another secret": (body) => slack(body, "another"),
    },
  ],
  [
    "telegram",
    (body) => telegram(body, CHANNEL_ENV.TELEGRAM_WEBHOOK_SECRET),
    { "of another secret": (body) => telegram(body, "another") },
  ],
];

describe.each(CHANNELS)("an event of %s", (_channel, genuine, others) => {
  test.each([
    ["nothing", ""],
    ["no JSON", "{"],
    ["two documents", "{}{}"],
    ["a list", "[]"],
    ["null", "null"],
    ["lists in lists", `${"[".repeat(5_000)}${"]".repeat(5_000)}`],
    ["objects in objects", `${'{"a":'.repeat(5_000)}1${"}".repeat(5_000)}`],
  ])("that is %s is refused and told why", async (_what, body) => {
    const { status, text } = await genuine(body);
    expect([status, text]).toEqual([400, expect.stringMatching(/"message":"[^"]{5}/)]);
  });

  test("that is too large is refused before it is read", async () => {
    const { status, text } = await genuine(`{"text": "${"x".repeat(MAX_BYTES)}"}`);
    expect([status, text]).toEqual([413, expect.stringContaining("PAYLOAD_TOO_LARGE")]);
  });

  test("that is not genuine is refused whatever it says", async () => {
    for (const [what, post] of Object.entries(others)) {
      const { status, text } = await post('{"session_key": "k", "text": "Hi"}');
      expect([what, status, text]).toEqual([what, 401, expect.stringContaining("UNAUTHENTICATED")]);
    }
  });
});
