import type { InboundAccount } from "@lanekeeper/protocol/lanekeeper/ingress/v1/channel";

/** An account with the tenant whose it is. */
export interface TenantAccount {
  readonly tenant: string;
  readonly account: InboundAccount;
}

/** As paths, idempotency keys and logs have a kind. */
export type ChannelWord = "slack" | "telegram" | "webhook";

/** Whether a text can name an account. */
export function isAccountId(text: string): boolean {
  return /^[A-Za-z0-9_.-]{1,64}$/.test(text);
}

/**
 * Whether an environment variable may be named as a channel's secret or token. What a configuration names
 * may be shown to the channel, so it must not be a database's password or another service's key: the
 * name has to say that it is meant for a channel.
 */
export function isChannelVariable(name: string): boolean {
  if (name.length > 128 || !/^[A-Z_][A-Z0-9_]*$/.test(name)) return false;
  return /(^|_)(SLACK|TELEGRAM|WEBHOOK)(_|$)/.test(name);
}
