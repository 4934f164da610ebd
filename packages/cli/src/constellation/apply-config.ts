import { createIdentityClient, createRunnerClient } from "@lanekeeper/client";
import { serviceCredential } from "@lanekeeper/rpc";
import type { Config } from "../config/schema.ts";
import { agentsRequest, keyPoliciesRequest } from "../config/to-requests.ts";

export interface ApplyTargets {
  /** gRPC targets. */
  readonly identity: string;
  readonly runner: string;
  readonly clusterSecret: string;
}

/** A service that has just come up answers at once; one that was restarted meanwhile, within this. */
const TIMEOUT_MS = 30_000;

/**
 * Tells session-identity and runner about every tenant. Policies go first: a turn that an agent
 * could answer but whose key nobody could make would be refused.
 */
export async function applyConfig(config: Config, targets: ApplyTargets): Promise<void> {
  const credential = serviceCredential("cli", targets.clusterSecret);
  const defaults = { timeoutMs: TIMEOUT_MS, principal: "cli" };
  const settings = { credential, defaults, waitForReady: true };
  using identity = createIdentityClient({ ...settings, target: targets.identity });
  using runner = createRunnerClient({ ...settings, target: targets.runner });
  for (const [tenant, entry] of Object.entries(config.tenants)) {
    await identity.applyKeyPolicies(keyPoliciesRequest(entry), { tenant });
    await runner.applyAgents(agentsRequest(entry), { tenant });
  }
}
