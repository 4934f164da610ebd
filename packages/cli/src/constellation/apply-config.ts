import type { Config } from "../config/schema.ts";
import {
  agentsRequest,
  keyPoliciesRequest,
  schedulesRequest,
  settingsRequest,
} from "../config/to-requests.ts";
import { channelAccountsRequest, inboundAccountsRequest } from "../config/channels-to-requests.ts";
import { isOrdinary } from "../config/ordinary.ts";
import { openPeer, type PeerTargets } from "../operator/peer.ts";

/** What a tenant has now. */
export interface Applied {
  readonly tenant: string;
  readonly policiesVersion: bigint;
  readonly agentsVersion: bigint;
  readonly settingsVersion: bigint;
  readonly schedules: number;
}

/**
 * Tells session-identity, runner, delivery and ingress about every tenant. Policies go first: a turn
 * that an agent could answer but whose key nobody could make would be refused. Settings go last: they
 * may ask for sessions, which need both; schedules run by all of them.
 */
export async function applyConfig(config: Config, targets: PeerTargets): Promise<Applied[]> {
  const behind = await applyBehindIngress(config, targets);
  return applyAtIngress(config, targets, behind);
}

/** What the services behind ingress have of a tenant now. */
type AppliedBehind = Pick<Applied, "policiesVersion" | "agentsVersion">;
/** By tenant. */
export type BehindIngress = ReadonlyMap<string, AppliedBehind>;

/** The part of it that ingress is not needed for: with it done first, no request meets a tenant without agents. */
export async function applyBehindIngress(
  config: Config,
  targets: PeerTargets,
): Promise<BehindIngress> {
  using peer = openPeer(targets);
  const applied = new Map<string, AppliedBehind>();
  for (const [tenant, entry] of Object.entries(config.tenants)) {
    const policies = await peer.identity.applyKeyPolicies(keyPoliciesRequest(entry), { tenant });
    const agents = await peer.runner.applyAgents(agentsRequest(entry), { tenant });
    await peer.delivery.applyChannelAccounts(channelAccountsRequest(entry), { tenant });
    applied.set(tenant, { policiesVersion: policies.version, agentsVersion: agents.version });
  }
  return applied;
}

/** The rest of a configuration whose other part was applied. */
export async function applyAtIngress(
  config: Config,
  targets: PeerTargets,
  behind: BehindIngress,
): Promise<Applied[]> {
  using peer = openPeer(targets);
  const applied: Applied[] = [];
  for (const [tenant, entry] of Object.entries(config.tenants)) {
    await peer.ingress.applyInboundAccounts(inboundAccountsRequest(entry), { tenant });
    const settings = await peer.ingress.applyTenantSettings(settingsRequest(entry), { tenant });
    const schedules = schedulesRequest(entry);
    await peer.ingress.applySchedules(schedules, { tenant });
    applied.push({
      tenant,
      ...(behind.get(tenant) ?? { policiesVersion: 0n, agentsVersion: 0n }),
      settingsVersion: settings.version,
      schedules: schedules.schedules?.length ?? 0,
    });
  }
  return applied;
}

/**
 * The part of the default configuration that stands behind ingress, where its tenants have nothing yet.
 * Resolves to what was applied; undefined where there is something, which ingress has to be asked about too.
 */
export async function applyFirstDefault(
  config: Config,
  targets: PeerTargets,
): Promise<BehindIngress | undefined> {
  using peer = openPeer(targets);
  for (const tenant of Object.keys(config.tenants)) {
    const { agents } = await peer.runner.listAgents({}, { tenant });
    const { policies } = await peer.identity.getKeyPolicies({}, { tenant });
    const { accounts } = await peer.delivery.listChannelAccounts({}, { tenant });
    if (agents.length + policies.length + accounts.length > 0) return undefined;
  }
  return applyBehindIngress(config, targets);
}

/**
 * The default configuration, unless an operator has applied another one meanwhile: that stays.
 * Resolves to whether it was applied. `behind` is what of it was applied before, if it was.
 */
export async function applyDefault(
  config: Config,
  targets: PeerTargets,
  behind: BehindIngress | undefined,
): Promise<boolean> {
  if (await hasOther(config, targets)) return false;
  if (behind === undefined) await applyConfig(config, targets);
  else await applyAtIngress(config, targets, behind);
  return true;
}

async function hasOther(config: Config, targets: PeerTargets): Promise<boolean> {
  using peer = openPeer(targets);
  for (const tenant of Object.keys(config.tenants)) {
    const { agents } = await peer.runner.listAgents({}, { tenant });
    const { policies } = await peer.identity.getKeyPolicies({}, { tenant });
    const { settings } = await peer.ingress.getTenantSettings({}, { tenant });
    const { accounts } = await peer.delivery.listChannelAccounts({}, { tenant });
    const inbound = await peer.ingress.listInboundAccounts({}, { tenant });
    const { schedules } = await peer.ingress.listSchedules({}, { tenant });
    if (accounts.length + inbound.accounts.length > 0) return true;
    if (schedules.some(({ fromConfig }) => fromConfig)) return true;
    if (!isOrdinary(agents, policies, settings)) return true;
  }
  return false;
}
