import { type Caller, LanekeeperError, permissionDenied, type TracedWork } from "@lanekeeper/rpc";
import { agentBoundBy, isAgentWithin } from "@lanekeeper/session-key";
import type { Clock } from "@lanekeeper/service";
import type { IngressLimits } from "../limits.ts";
import { modelOfAgent, unknownAgent } from "../openai/agent.ts";
import { TenantCache } from "../tenant-cache.ts";
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

/**
 * Which agents a tenant has. Remembered for a few seconds, so that the question is not on the path of
 * every request; what is missing is asked for again first, so that a new agent answers at once.
 */
export class AgentDirectory {
  readonly #limits: DirectorySources["limits"];
  readonly #cache: TenantCache<TenantAgents>;

  constructor(sources: DirectorySources) {
    this.#limits = sources.limits;
    this.#cache = new TenantCache({
      clock: sources.clock,
      maxTenants: sources.limits.maxCachedTenants,
      ask: (tenant, within) => fetchAgents(sources, tenant, within),
      // Whatever it was: the runner judges the turn itself.
      isBelievedAfter: () => true,
    });
  }

  /** The agents that the credential may use. */
  async list(caller: Caller, within?: TracedWork): Promise<TenantAgents> {
    const { agentIds, defaultAgentId, applyTimeS } = await this.#fresh(caller.tenant, within);
    const may = (agentId: string): boolean => mayUse(caller, agentId);
    return {
      agentIds: agentIds.filter(may),
      defaultAgentId: may(defaultAgentId) ? defaultAgentId : "",
      applyTimeS,
    };
  }

  /** @throws UNKNOWN_MODEL, PERMISSION_DENIED */
  async require(
    caller: Caller,
    agentId: string,
    model: string,
    within?: TracedWork,
  ): Promise<void> {
    const by = agentBoundBy(agentId, caller);
    if (by !== undefined) {
      const message = `the credential may not use the agent ${agentId}`;
      throw permissionDenied(message, { agent: agentId, bound_by: by });
    }
    const isThere = ({ agentIds }: TenantAgents) => agentIds.includes(agentId);
    if (!isThere(await this.#having(isThere, caller.tenant, within)))
      throw unknownAgent(agentId, model);
  }

  /**
   * That the agent is there which answers where a request names none: the tenant's default, if it has one. Asked
   * before a name is resolved, so that what no agent could answer opens no session.
   * @throws UNKNOWN_MODEL
   */
  async requireAnyDefault(tenant: string, within?: TracedWork): Promise<void> {
    const isThere = ({ agentIds, defaultAgentId: id }: TenantAgents) =>
      id === "" || agentIds.includes(id);
    const agents = await this.#having(isThere, tenant, within);
    const { defaultAgentId: id } = agents;
    if (!isThere(agents)) throw unknownAgent(id, modelOfAgent(id));
  }

  /** The tenant's default agent. @throws AGENT_REQUIRED, PERMISSION_DENIED */
  async requireDefault(caller: Caller, within?: TracedWork): Promise<string> {
    const isThere = ({ defaultAgentId: id }: TenantAgents) => id !== "";
    const { defaultAgentId } = await this.#having(isThere, caller.tenant, within);
    if (defaultAgentId === "") {
      const message = "the tenant has no default agent; name one, such as lanekeeper/<agent>";
      throw new LanekeeperError("AGENT_REQUIRED", message);
    }
    const by = agentBoundBy(defaultAgentId, caller);
    if (by === undefined) return defaultAgentId;
    const message = "the credential may not use the default agent; name another";
    throw permissionDenied(message, { bound_by: by });
  }

  /** What is not there by what is remembered is asked for again, at most every `agentsRecheckMs`. */
  async #having(
    isThere: (agents: TenantAgents) => boolean,
    tenant: string,
    within: TracedWork | undefined,
  ): Promise<TenantAgents> {
    const known = await this.#fresh(tenant, within);
    if (isThere(known)) return known;
    return this.#cache.getNew(tenant, this.#limits.agentsRecheckMs, within);
  }

  #fresh(tenant: string, within: TracedWork | undefined): Promise<TenantAgents> {
    return this.#cache.get(tenant, this.#limits.agentsFreshMs, within);
  }
}

function mayUse(caller: Caller, agentId: string): boolean {
  return isAgentWithin(agentId, caller);
}

async function fetchAgents(
  { identity, runner }: DirectorySources,
  tenant: string,
  within: TracedWork | undefined,
): Promise<TenantAgents> {
  const [listed, policies] = await Promise.all([
    runner.listAgents({}, { tenant, within }),
    identity.getKeyPolicies({}, { tenant, within }),
  ]);
  return {
    agentIds: listed.agents.map(({ agentId }) => agentId),
    defaultAgentId: policies.defaultAgentId,
    applyTimeS: Number(policies.applyTime?.seconds ?? 0n),
  };
}
