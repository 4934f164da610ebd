import type { EventTaker, InboundEvent, Outcome, TakeOptions } from "@lanekeeper/adapter-kit";
import type { Caller, TracedWork } from "@lanekeeper/rpc";
import type { TenantAccount } from "./account.ts";
import type { ChannelAdapter } from "./adapter.ts";
import { type ChannelClients, portsFor } from "./ports-for.ts";

/** For whom an account's events act. */
export function callerOf(
  { word }: Pick<ChannelAdapter, "word">,
  { tenant, account }: TenantAccount,
  scope: "adapter" | "chat",
): Caller {
  const { accountId, agentId } = account;
  return {
    tenant,
    principal: `${word}/${accountId}`,
    scopes: [scope],
    agents: agentId === "" ? [] : [agentId],
    keyPrefixes: [],
  };
}

/** Takes an event of an account to its lane. @throws what asks the provider to come again */
export function takeFor(
  { taker, clients }: { readonly taker: EventTaker; readonly clients: ChannelClients },
  adapter: Pick<ChannelAdapter, "saysInPlace" | "source" | "word">,
  { account }: TenantAccount,
  caller: Caller,
  event: InboundEvent,
  { within, ...options }: TakeOptions & { readonly within: TracedWork },
): Promise<Outcome> {
  const { accountId, agentId } = account;
  const { word: channel, source } = adapter;
  const through = { channel, accountId, agentId, source };
  const ports = portsFor(clients, { ...caller, within }, adapter);
  return taker.take({ ports, account: through, tenant: caller.tenant }, event, options);
}
