import { z } from "zod";
import { rateLimit } from "./rate-limit-schema.ts";

/** A secret or token of a channel, by the environment variable that holds it. */
function variable(words: string, example: string) {
  return z
    .string()
    .regex(
      new RegExp(`^(?=.*(^|_)(${words})(_|$))[A-Z_][A-Z0-9_]{0,127}$`),
      `expected the name of an environment variable with ${words.replaceAll("|", " or ")} in it, such as ${example}`,
    );
}

const agent = z
  .string()
  .regex(/^[a-z0-9][a-z0-9_-]{0,63}$/, "expected an agent id")
  .optional();

/** Accounts by their names, which stand in paths where events come in. */
function accounts<T extends z.ZodType>(entry: T) {
  return z
    .record(
      z.string().min(1, "expected the account's name").max(256, "expected at most 256 characters"),
      entry,
    )
    .superRefine((entries, context) => {
      for (const [name, value] of Object.entries(entries)) {
        if (!takesEvents(value) || /^[A-Za-z0-9_.-]{1,64}$/.test(name)) continue;
        const message =
          'expected 1 to 64 letters, digits, "_", "-", ".": the name stands in a path';
        context.addIssue({ code: "custom", path: [name], message });
      }
    });
}

/** Whether events come in by an account; else replies alone go out. */
export function takesEvents(entry: unknown): boolean {
  const { signing_secret_env, webhook_secret_env, secret_env, polling } = entry as {
    readonly signing_secret_env?: string;
    readonly webhook_secret_env?: string;
    readonly secret_env?: string;
    readonly polling?: boolean;
  };
  const named = signing_secret_env ?? webhook_secret_env ?? secret_env;
  return named !== undefined || polling === true;
}

/** Posts that may come by the account. */
const rate_limit = rateLimit.optional();

/** A Slack team: replies go out by its token, events come in where the signing secret is named. */
const slack = z.strictObject({
  token_env: variable("SLACK|TELEGRAM", "SLACK_BOT_TOKEN"),
  signing_secret_env: variable("SLACK", "SLACK_SIGNING_SECRET").optional(),
  agent,
  rate_limit,
});

/** A bot: events come in by webhook where its secret token is named, or are asked for. */
const telegram = z
  .strictObject({
    token_env: variable("SLACK|TELEGRAM", "TELEGRAM_BOT_TOKEN"),
    webhook_secret_env: variable("TELEGRAM", "TELEGRAM_WEBHOOK_SECRET").optional(),
    polling: z.boolean().optional(),
    agent,
    rate_limit,
  })
  .refine(
    ({ webhook_secret_env, polling }) => webhook_secret_env === undefined || polling !== true,
    "expected webhook_secret_env or polling, not both: Telegram gives updates in one way",
  )
  .refine(
    ({ rate_limit: limit, polling }) => limit === undefined || polling !== true,
    "expected no rate_limit with polling: what is asked for comes no faster than it is taken",
  );

const header = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{0,63}$/, "expected the name of a header in lower case");

/** A program that posts events. */
const webhook = z.strictObject({
  secret_env: variable("WEBHOOK", "WEBHOOK_SECRET_HELPDESK"),
  agent,
  rate_limit,
  channel: z
    .string()
    .regex(/^[a-z][a-z0-9_-]{0,31}$/, "expected a channel such as helpdesk")
    .optional(),
  reply_url: z
    .url({ protocol: /^https?$/, error: "expected a URL that begins with http:// or https://" })
    .optional(),
  hmac: z
    .strictObject({
      signature_header: header,
      prefix: z.string().max(32, "expected at most 32 characters").optional(),
      encoding: z.enum(["hex", "base64"]).optional(),
      timestamp_header: header.optional(),
    })
    .optional(),
});

/** A tenant's channels. Secrets and tokens stand in the environments of delivery and ingress. */
export const channels = z.strictObject({
  slack: accounts(slack).optional(),
  telegram: accounts(telegram).optional(),
  webhook: accounts(webhook).optional(),
});

export type WebhookEntry = z.infer<typeof webhook>;
