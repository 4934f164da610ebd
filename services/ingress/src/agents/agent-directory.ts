import { type Caller, LanekeeperError, permissionDenied } from "@lanekeeper/rpc";
import type { Clock } from "@lanekeeper/service";
import type { IngressLimits } from "../limits.ts";
import { unknownAgent } from "../openai/agent.ts";
import type { IdentityClient, RunnerClient } from "@lanekeeper/client";

/** The agents of one tenant. */
export interface TenantAgents {
  readonly agentIds: readonly string[];
  /** Empty: none. */
  readonly defaultAgentId: string;
  /** When they were applied, in seconds since 1970; 0: never. */
  readonly applyTimeS: number;
}

/** What the directory needs. */
export interface DirectorySources {
  readonly identity: Pick<IdentityClient, "getKeyPolicies">;
  readonly runner: Pick<RunnerClient, "listAgents">;
  readonly clock: Clock;
  readonly limits: Pick<IngressLimits, "agentsFreshMs" | "agentsRecheckMs" | "maxCachedTenants">;
}

interface Entry {
  readonly agents: Promise<TenantAgents>;
  readonly sinceMs: number;
}

/**
 * Which agents a tenant has. Remembered for a few seconds, so that the question is not on the path of
 * every request; what is missing is asked for again first, so that a new agent answers at once.
 */
export class AgentDirectory {
  readonly #sources: DirectorySources;
  readonly #entries = new Map<string, Entry>();

  constructor(sources: DirectorySources) {
    this.#sources = sources;
  }

  /** The agents that the credential may use. */
  async list(caller: Caller): Promise<TenantAgents> {
    const { agentIds, defaultAgentId, applyTimeS } = await this.#fresh(caller.tenant);
    const may = (agentId: string): boolean => mayUse(caller, agentId);
    return {
      agentIds: agentIds.filter(may),
      defaultAgentId: may(defaultAgentId) ? defaultAgentId : "",
      applyTimeS,
    };
  }

  /** @throws UNKNOWN_MODEL, PERMISSION_DENIED */
  async require(caller: Caller, agentId: string, model: string): Promise<void> {
    if (!mayUse(caller, agentId)) {
      throw permissionDenied(`the credential may not use the agent ${agentId}`, { agent: agentId });
    }
    const { agentsFreshMs, agentsRecheckMs } = this.#sources.limits;
    for (const maxAgeMs of [agentsFreshMs, agentsRecheckMs]) {
      const { agentIds } = await this.#notOlderThan(caller.tenant, maxAgeMs);
      if (agentIds.includes(agentId)) return;
    }
    throw unknownAgent(agentId, model);
  }

  /** The tenant's default agent. @throws AGENT_REQUIRED, PERMISSION_DENIED */
  async requireDefault(caller: Caller): Promise<string> {
    const { defaultAgentId } = await this.#fresh(caller.tenant);
    if (defaultAgentId === "") {
      const message = "the tenant has no default agent; name one, such as lanekeeper/<agent>";
      throw new LanekeeperError("AGENT_REQUIRED", message);
    }
    if (mayUse(caller, defaultAgentId)) return defaultAgentId;
    throw permissionDenied("the credential may not use the default agent; name another");
  }

  #fresh(tenant: string): Promise<TenantAgents> {
    return this.#notOlderThan(tenant, this.#sources.limits.agentsFreshMs);
  }

  #notOlderThan(tenant: string, maxAgeMs: number): Promise<TenantAgents> {
    const entry = this.#entries.get(tenant);
    const isFresh =
      entry !== undefined && this.#sources.clock.monotonicMs() - entry.sinceMs < maxAgeMs;
    return isFresh ? entry.agents : this.#ask(tenant);
  }

  /** Where nobody can be asked, what was known last is believed: the runner judges the turn itself. */
  #ask(tenant: string): Promise<TenantAgents> {
    const before = this.#entries.get(tenant)?.agents;
    const agents = fetchAgents(this.#sources, tenant).catch((error: unknown) => {
      if (before === undefined) throw error;
      return before;
    });
    const entry = { agents, sinceMs: this.#sources.clock.monotonicMs() };
    this.#remember(tenant, entry);
    agents.catch(() => {
      if (this.#entries.get(tenant) === entry) this.#entries.delete(tenant);
    });
    return agents;
  }

  /** A Map keeps the order of insertion, so the first is the one that was asked for longest ago. */
  #remember(tenant: string, entry: Entry): void {
    this.#entries.delete(tenant);
    this.#entries.set(tenant, entry);
    const [oldest] = this.#entries.keys();
    if (this.#entries.size > this.#sources.limits.maxCachedTenants && oldest !== undefined) {
      this.#entries.delete(oldest);
    }
  }
}

function mayUse({ agents }: Caller, agentId: string): boolean {
  return agents.length === 0 || agents.includes(agentId);
}

async function fetchAgents(
  { identity, runner }: DirectorySources,
  tenant: string,
): Promise<TenantAgents> {
  const [listed, policies] = await Promise.all([
    runner.listAgents({}, { tenant }),
    identity.getKeyPolicies({}, { tenant }),
  ]);
  return {
    agentIds: listed.agents.map(({ agentId }) => agentId),
    defaultAgentId: policies.defaultAgentId,
    applyTimeS: Number(policies.applyTime?.seconds ?? 0n),
  };
}
