import type { ChannelAdapter } from "./adapter.ts";
import { webhookAdapter } from "./webhook/adapter.ts";

/** Each channel's way in is one entry here. */
export function channelAdapters(limits: { readonly maxJsonDepth: number }): ChannelAdapter[] {
  return [webhookAdapter(limits)];
}
