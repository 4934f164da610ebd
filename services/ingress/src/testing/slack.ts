import { createHmac } from "node:crypto";

/** Posts in the shapes that Slack sends them: https://docs.slack.dev/apis/events-api */

export const TEAM = "T0123456789";
export const ADA = "U0ADA00001";
export const BOT = "U0BOT00001";

/** A message that a person wrote in a channel, with what is special about it. */
export function slackMessage(more: object = {}): object {
  return {
    client_msg_id: "8a1d1a1e-7e0d-4a6c-9f2c-4c2d4a4f6b11",
    type: "message",
    text: "Hello",
    user: ADA,
    ts: "1769860800.000100",
    team: TEAM,
    blocks: [{ type: "rich_text", block_id: "x", elements: [] }],
    channel: "C0123456789",
    event_ts: "1769860800.000100",
    channel_type: "channel",
    ...more,
  };
}

/** What is posted around an event. */
export function slackCallback(event: object, more: object = {}): object {
  return {
    token: "XXYYZZ",
    team_id: TEAM,
    api_app_id: "A0APP",
    event,
    type: "event_callback",
    event_id: "Ev0PV52K21",
    event_time: 1_769_860_800,
    authorizations: [
      {
        enterprise_id: null,
        team_id: TEAM,
        user_id: BOT,
        is_bot: true,
        is_enterprise_install: false,
      },
    ],
    is_ext_shared_channel: false,
    event_context: "4-eyJldCI6Im1lc3NhZ2UifQ",
    ...more,
  };
}

/** A slash command's form. */
export function slackForm(more: Record<string, string> = {}): string {
  return new URLSearchParams({
    ...{ token: "XXYYZZ", team_id: TEAM, team_domain: "example" },
    ...{ channel_id: "D0DIRECT01", channel_name: "directmessage" },
    ...{ user_id: ADA, user_name: "ada", command: "/lane-new", text: "" },
    ...{ response_url: "https://hooks.slack.com/commands/1", trigger_id: "13345224609.738474920" },
    ...more,
  }).toString();
}

/** The headers of a post that Slack signed at a time. */
export function slackHeaders(body: string, secret: string, at = new Date()) {
  const seconds = String(Math.floor(at.getTime() / 1_000));
  const digest = createHmac("sha256", secret).update(`v0:${seconds}:${body}`).digest("hex");
  return { "x-slack-request-timestamp": seconds, "x-slack-signature": `v0=${digest}` };
}
