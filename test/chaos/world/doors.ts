import {
  createDeliveryClient,
  createIdentityClient,
  createRunnerClient,
  type DeliveryClient,
  type IdentityClient,
  type RunnerClient,
} from "@lanekeeper/client";
import { type ServiceName as PeerName, serviceCredential } from "@lanekeeper/rpc";
import type { Disposal } from "@lanekeeper/service";
import type { Cluster } from "./cluster.ts";

/** Clients of each replica, for those who want one in particular. */
export interface Doors {
  /** session-identity as the runner sees it. */
  readonly identity: readonly IdentityClient[];
  /** The runner as ingress sees it. */
  readonly runner: readonly RunnerClient[];
  readonly delivery: readonly DeliveryClient[];
}

export function openDoors(opened: Disposal, cluster: Cluster): Doors {
  const closed = <C extends { $close(): void }>(client: C): C => {
    opened.defer(async () => client.$close());
    return client;
  };
  const options = (target: string, as: PeerName) => {
    return { target, credential: serviceCredential(as, cluster.secret) };
  };
  return {
    identity: cluster
      .targets("session-identity")
      .map((target) => closed(createIdentityClient(options(target, "runner")))),
    runner: cluster
      .targets("runner")
      .map((target) => closed(createRunnerClient(options(target, "ingress")))),
    delivery: cluster
      .targets("delivery")
      .map((target) => closed(createDeliveryClient(options(target, "cli")))),
  };
}
