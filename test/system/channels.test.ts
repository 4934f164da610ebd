import { CONFORMANCE, type SentEvent } from "@lanekeeper/adapter-kit/conformance";
import { eventually, startConstellation, startWebhookSink } from "@lanekeeper/testing";
import { Webhook } from "standardwebhooks";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { channelSubject, newWebhookSecret, type Posted } from "../support/channel-subject.ts";

const SECRETS = { WEBHOOK_SECRET_HELPDESK: newWebhookSecret() };

let sink: Awaited<ReturnType<typeof startWebhookSink>>;
let lanekeeper: Awaited<ReturnType<typeof startConstellation>>;

const config = (replyUrl: string): string => `
tenants:
  default:
    default_agent: main
    channels:
      webhook:
        helpdesk: { secret_env: WEBHOOK_SECRET_HELPDESK, reply_url: ${replyUrl} }
    agents:
      main: { model: scripted }
`;

beforeAll(async () => {
  sink = await startWebhookSink();
  const env = { ...SECRETS, LANEKEEPER_WEBHOOK_ALLOW_PRIVATE: "127.0.0.0/8" };
  lanekeeper = await startConstellation({ config: config(sink.url), env, leaseMs: 2_000 });
});
afterAll(async () => {
  await lanekeeper?.stop();
  await sink?.[Symbol.asyncDispose]();
});

/** Signed by the library that senders use. */
function helpdeskPost(id: string, event: object): Posted {
  const body = JSON.stringify(event);
  const at = new Date();
  const headers = {
    "content-type": "application/json",
    "webhook-id": id,
    "webhook-timestamp": String(Math.floor(at.getTime() / 1_000)),
    "webhook-signature": new Webhook(SECRETS.WEBHOOK_SECRET_HELPDESK).sign(id, at, body),
  };
  return { path: "/channels/webhook/helpdesk", headers, body };
}

const SUBJECTS = {
  webhook: () =>
    channelSubject(
      lanekeeper,
      ({ event, conversation, text, command }: SentEvent) =>
        helpdeskPost(`evt-${event}`, {
          session_key: `ticket:${conversation}`,
          ...(command === undefined ? { text } : { command }),
        }),
      (conversation) => ({ case: "rawKey", value: `ticket:${conversation}` }),
    ),
};

describe.each(Object.entries(SUBJECTS))("the adapter of %s", (_channel, subject) => {
  test.each(CONFORMANCE)("$name", async (one) => {
    await one.run(subject());
  });
});

test("a program's event is answered at its address, under the secret that it was told", async () => {
  const { path, headers, body } = helpdeskPost("evt-reply", {
    ...{ session_key: "ticket:reply", text: "Is it done?", sender_id: "ada" },
  });
  const url = `${lanekeeper.baseUrl}${path}`;
  const answer = await fetch(url, { method: "POST", headers, body });
  const told = (await answer.json()) as { signing_secret: string; turn_id: string };
  expect(answer.status).toBe(202);
  const isReply = ({ json }: { json: unknown }): boolean =>
    (json as { turn_id?: string }).turn_id === told.turn_id;
  const posted = await eventually(() => sink.posts.find(isReply), { what: "the reply is posted" });
  const signed = posted.headers as Record<string, string>;
  expect(new Webhook(told.signing_secret).verify(posted.body, signed)).toMatchObject({
    ...{ type: "reply", turn_id: told.turn_id },
    text: expect.stringContaining("1. user: Is it done?"),
  });
});
