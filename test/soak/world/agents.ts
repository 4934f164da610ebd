import { createIdentityClient, createRunnerClient } from "@lanekeeper/client";
import { serviceCredential } from "@lanekeeper/rpc";
import type { Cluster } from "../../chaos/world/cluster.ts";

export const TENANT = "default";
export const AGENT = "soak";

/** Some six exchanges of the model's answers: a compaction every few turns. */
const BUDGET_TOKENS = 1_200;

/** One agent that compacts often. */
export async function applyAgent(cluster: Cluster, modelUrl: string): Promise<void> {
  const credential = serviceCredential("cli", cluster.secret);
  using runner = createRunnerClient({ target: cluster.targets("runner").join(","), credential });
  const endpoint = { baseUrl: modelUrl, model: "talker" };
  const model = { provider: { case: "openaiCompatible", value: endpoint } as const };
  const agents = [{ agentId: AGENT, model, contextTokenBudget: BUDGET_TOKENS }];
  await runner.applyAgents({ agents }, { tenant: TENANT });
}

/** Sessions of the agent roll over at this time of each day; "": never. */
export async function applyDailyHour(cluster: Cluster, dailyAt: string): Promise<void> {
  const credential = serviceCredential("cli", cluster.secret);
  const target = cluster.targets("session-identity").join(",");
  using identity = createIdentityClient({ target, credential });
  const policies = [{ agentId: AGENT, dailyAt, timeZone: "UTC" }];
  await identity.applyKeyPolicies({ defaultAgentId: AGENT, policies }, { tenant: TENANT });
}
