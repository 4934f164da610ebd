import type { ChannelAdapter } from "./adapter.ts";
import { type TelegramAdapter, telegramAdapter } from "./telegram/adapter.ts";
import { webhookAdapter } from "./webhook/adapter.ts";

/** What the adapters are made with. */
export interface AdapterOptions {
  readonly maxJsonDepth: number;
  /** Where Telegram's Bot API is, with a slash at the end. */
  readonly telegramUrl: URL;
}

/** Each channel's way in is one entry here. */
export function channelAdapters({ maxJsonDepth, telegramUrl }: AdapterOptions): {
  readonly all: readonly ChannelAdapter[];
  /** It also reads updates that are asked for. */
  readonly telegram: TelegramAdapter;
} {
  const telegram = telegramAdapter({ apiUrl: telegramUrl, maxJsonDepth });
  return { all: [webhookAdapter({ maxJsonDepth }), telegram], telegram };
}
