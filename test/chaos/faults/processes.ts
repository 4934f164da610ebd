import { setTimeout as sleep } from "node:timers/promises";
import { pick, type Random } from "../clients/random.ts";
import { POINTS } from "../inside/points.ts";
import { type Cluster, LEASE_MS } from "../world/cluster.ts";
import type { Replica } from "../world/replica.ts";
import type { Fault } from "./fault.ts";

/** Past every lease of the constellation, delivery's included. */
const PAUSE_MS = 1.75 * LEASE_MS;

export const kill: Fault = {
  kind: "kill -9",
  plan(cluster, random) {
    const replica = pick(random, cluster.replicas);
    return { target: replica.name, inflict: async () => Number(replica.kill()) };
  },
};

export const pause: Fault = {
  kind: "SIGSTOP longer than the lease",
  plan(cluster, random) {
    const replica = pick(random, cluster.replicas);
    const inflict = async () => {
      const isHit = replica.pause();
      await sleep(PAUSE_MS);
      replica.resume();
      return Number(isHit);
    };
    return { target: replica.name, inflict };
  },
};

export const killAtPoint: Fault = atPoint(
  "kill -9 at a point of the code",
  (replica, point, pass) => replica.dieAt(point, pass),
);

export const pauseAtPoint: Fault = atPoint(
  "SIGSTOP at a point of the code",
  (replica, point, pass) => replica.pauseAt(point, pass, PAUSE_MS),
);

/** The first passing finds nobody else at work; a later one does. */
const PASSES = 6;

function atPoint(
  kind: string,
  inflict: (replica: Replica, point: string, pass: number) => Promise<boolean>,
): Fault {
  return {
    kind,
    plan(cluster, random) {
      const { name, service } = pick(random, POINTS);
      const replica = pick(random, replicasOf(cluster, service));
      const pass = 1 + Math.floor(random() * PASSES);
      return {
        target: `${replica.name} ${name}`,
        inflict: async () => Number(await inflict(replica, name, pass)),
      };
    },
  };
}

function replicasOf({ replicas }: Cluster, service: string): readonly Replica[] {
  return replicas.filter((replica) => replica.service === service);
}

/** What a machine without time service, or a restored one, may be off. */
const CLOCK_MS = 15 * 60_000;
const CLOCK_FOR_MS = 4_000;

/** Steps of one process's clock, there and back. Leases go by the database's, deadlines by monotonic ones. */
export const clock: Fault = {
  kind: "a clock that is minutes off",
  plan(cluster, random) {
    const replica = pick(random, cluster.replicas);
    const aheadMs = offBy(random);
    const inflict = async () => {
      replica.setClock(aheadMs);
      await sleep(CLOCK_FOR_MS);
      replica.setClock(0);
    };
    return { target: `${replica.name} ${Math.round(aheadMs / 1_000)} s`, inflict };
  },
};

function offBy(random: Random): number {
  return Math.round((random() * 2 - 1) * CLOCK_MS);
}
