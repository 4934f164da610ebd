import { createIdentityClient, createRunnerClient } from "@lanekeeper/client";
import { serviceCredential } from "@lanekeeper/rpc";
import { NARROW, NARROW_WAITING } from "../judges/g15-bounds.ts";
import type { Cluster } from "./cluster.ts";

/** The first has the API key of ingress; the second comes through gRPC alone, with the same names. */
export const TENANTS = ["default", "other"] as const;

export const AGENT = "main";
/** Which sends to other sessions. */
export const NESTER = "nester";

/** Gives each tenant its agents. All ask one model. */
export async function applyTenants(cluster: Cluster, modelUrl: string): Promise<void> {
  const credential = serviceCredential("cli", cluster.secret);
  const at = (targets: readonly string[]) => ({ target: targets.join(","), credential });
  using identity = createIdentityClient(at(cluster.targets("session-identity")));
  using runner = createRunnerClient(at(cluster.targets("runner")));
  for (const tenant of TENANTS) {
    const policies = [AGENT, NARROW, NESTER].map((agentId) => ({ agentId }));
    await identity.applyKeyPolicies({ defaultAgentId: AGENT, policies }, { tenant });
    const endpoint = { baseUrl: modelUrl, model: "chain" };
    const model = { provider: { case: "openaiCompatible", value: endpoint } as const };
    const usual = { model, compaction: { off: true }, contextTokenBudget: 1_000_000 };
    const agents = [
      { ...usual, agentId: AGENT },
      { ...usual, agentId: NARROW, maxWaitingTurns: NARROW_WAITING },
      { ...usual, agentId: NESTER, tools: ["sessions_send"] },
    ];
    await runner.applyAgents({ agents }, { tenant });
  }
}
