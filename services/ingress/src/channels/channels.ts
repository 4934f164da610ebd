import { EventTaker } from "@lanekeeper/adapter-kit";
import type { Env } from "@lanekeeper/service";
import type { Clients } from "../clients.ts";
import type { IngressContext } from "../context.ts";
import { BodyBudget } from "../http/read-body.ts";
import type { Route } from "../http/routes.ts";
import { AccountDirectory } from "./account-directory.ts";
import type { AccountStore } from "./account-store.ts";
import { channelAdapters } from "./adapters.ts";
import { channelsRoute } from "./channels-route.ts";
import type { PollLeases } from "./polling/lease.ts";
import { Pollers } from "./polling/pollers.ts";
import { takeUpdate } from "./polling/take-update.ts";

/** What the channels need beside what all doors have. */
export interface ChannelParts {
  readonly store: AccountStore;
  readonly leases: PollLeases;
  /** This process among its replicas. */
  readonly holder: string;
  /** Holds the secrets and tokens that accounts name. */
  readonly env: Env;
  /** Where their APIs are, with a slash at the end. */
  readonly slackUrl: URL;
  readonly telegramUrl: URL;
}

/** The channels as they are served. */
export interface RunningChannels extends AsyncDisposable {
  readonly route: Route;
  /** Asks for no more updates; resolves when those in hand are taken. */
  drain(): Promise<void>;
}

/** Opens the door of channels, and asks for the updates of accounts that are polled. */
export function openChannels(
  parts: ChannelParts,
  { clock, limits, log, credentials, settings, agents }: IngressContext,
  clients: Clients,
): RunningChannels {
  const { store, env, leases, holder, slackUrl, telegramUrl } = parts;
  const accounts = new AccountDirectory({ store, env, clock, limits });
  const adapters = channelAdapters({ ...limits, slackUrl, telegramUrl });
  const taker = new EventTaker(() => clock.monotonicMs());
  const taking = { taker, clients: { ...clients, agents }, log };
  const pollers = new Pollers({
    store,
    leases,
    holder,
    clock,
    log,
    limits,
    apiUrl: telegramUrl,
    refreshMs: limits.pollRefreshMs,
    token: (account) => accounts.token(account),
    read: ({ account, tenant }, update, signal) => {
      const token = accounts.token({ account, tenant });
      return adapters.telegram.readUpdate(update, { account, token, signal });
    },
    take: takeUpdate(taking, adapters.telegram),
  });
  let drained: Promise<void> | undefined;
  const drain = () => (drained ??= pollers[Symbol.asyncDispose]());
  return {
    route: channelsRoute({
      accounts,
      adapters: adapters.all,
      bodyBudget: new BodyBudget(limits.maxEventBytesInFlight),
      clock,
      limits,
      credentials,
      settings,
      ...taking,
    }),
    drain,
    [Symbol.asyncDispose]: drain,
  };
}
