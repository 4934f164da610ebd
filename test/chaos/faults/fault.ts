import type { Random } from "../clients/random.ts";
import type { Cluster } from "../world/cluster.ts";

/** One way to break something. */
export interface Fault {
  readonly kind: string;
  /** What would be broken, chosen before; or why this machine cannot do it. */
  plan(cluster: Cluster, random: Random): FaultPlan | string;
}

export interface FaultPlan {
  readonly target: string;
  /** Resolves once it is healed; to how many were hit, where that can be counted. */
  readonly inflict: () => Promise<number | void>;
}
