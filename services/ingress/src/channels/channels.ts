import { EventTaker } from "@lanekeeper/adapter-kit";
import type { Env } from "@lanekeeper/service";
import type { Clients } from "../clients.ts";
import type { IngressContext } from "../context.ts";
import type { Route } from "../http/routes.ts";
import { AccountDirectory } from "./account-directory.ts";
import type { AccountStore } from "./account-store.ts";
import { channelAdapters } from "./adapters.ts";
import { channelsRoute } from "./channels-route.ts";

/** What the channels need beside what all doors have. */
export interface ChannelParts {
  readonly accountStore: AccountStore;
  readonly channelEnv: Env;
  readonly clients: Clients;
}

/** The door of channels with all that stands behind it. */
export function channels(
  { accountStore: store, channelEnv: env, clients }: ChannelParts,
  { clock, limits, log, bodyBudget }: IngressContext,
): Route {
  return channelsRoute({
    accounts: new AccountDirectory({ store, env, clock, limits }),
    adapters: channelAdapters(limits),
    taker: new EventTaker(),
    ...{ clients, bodyBudget, clock, log, limits },
  });
}
