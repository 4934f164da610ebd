import type { ChannelAdapter } from "./adapter.ts";
import { slackAdapter } from "./slack/adapter.ts";
import { type TelegramAdapter, telegramAdapter } from "./telegram/adapter.ts";
import { webhookAdapter } from "./webhook/adapter.ts";

/** What the adapters are made with. */
export interface AdapterOptions {
  readonly maxJsonDepth: number;
  /** Where Slack's Web API is, with a slash at the end. */
  readonly slackUrl: URL;
  /** Where Telegram's Bot API is, with a slash at the end. */
  readonly telegramUrl: URL;
}

/** Each channel's way in is one entry here. */
export function channelAdapters({ maxJsonDepth, slackUrl, telegramUrl }: AdapterOptions): {
  readonly all: readonly ChannelAdapter[];
  /** It also reads updates that are asked for. */
  readonly telegram: TelegramAdapter;
} {
  const telegram = telegramAdapter({ apiUrl: telegramUrl, maxJsonDepth });
  const slack = slackAdapter({ apiUrl: slackUrl, maxJsonDepth });
  return { all: [webhookAdapter({ maxJsonDepth }), slack, telegram], telegram };
}
