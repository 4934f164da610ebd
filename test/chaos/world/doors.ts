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
import { eventually } from "@lanekeeper/testing";
import type { Cluster } from "./cluster.ts";
import { TENANTS } from "./tenants.ts";

/** Clients of each replica, for those who want one in particular. */
export interface Doors {
  /** session-identity as the runner sees it. */
  readonly identity: readonly IdentityClient[];
  /** The runner as ingress sees it. */
  readonly runner: readonly RunnerClient[];
  readonly delivery: readonly DeliveryClient[];
}

/** A channel that found nobody waits up to two seconds before it tries again. */
const READY_MS = 60_000;

/** Resolves when each replica answers each of its clients. */
export async function doorsAnswer({ identity, runner, delivery }: Doors): Promise<void> {
  const [tenant] = TENANTS;
  const asks: readonly (() => Promise<unknown>)[] = [
    ...identity.map((door) => () => door.listSessions({ pageSize: 1 }, { tenant })),
    ...runner.map((door) => () => door.listLanes({ pageSize: 1 }, { tenant })),
    ...delivery.map((door) => () => door.listDeliveries({ pageSize: 1 }, { tenant })),
  ];
  const what = "every replica answers";
  const answers = (ask: () => Promise<unknown>) => ask().then(() => true);
  const options = { timeoutMs: READY_MS, pollMs: 100, what };
  await Promise.all(asks.map((ask) => eventually(() => answers(ask), options)));
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
