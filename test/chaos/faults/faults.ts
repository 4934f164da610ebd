import { setTimeout as sleep } from "node:timers/promises";
import { schemaOf } from "../../../packages/cli/src/constellation/prepare-database.ts";
import { pick, type Random } from "../clients/random.ts";
import { type Cluster, LEASE_MS } from "../world/cluster.ts";
import type { Weather } from "../world/link.ts";
import { POINTS } from "./points.ts";

/** One way to break something. Resolves once it is healed. */
export interface Fault {
  readonly kind: string;
  /** What would be broken, chosen before. */
  plan(
    cluster: Cluster,
    random: Random,
  ): { readonly target: string; readonly inflict: () => Promise<void> };
}

/** Past every lease of the constellation, delivery's included. */
const PAUSE_MS = 1.75 * LEASE_MS;
const WEATHER_MS = 1_500;

const kill: Fault = {
  kind: "kill -9",
  plan(cluster, random) {
    const replica = pick(random, cluster.replicas);
    return { target: replica.name, inflict: async () => replica.kill() };
  },
};

const pause: Fault = {
  kind: "SIGSTOP longer than the lease",
  plan(cluster, random) {
    const replica = pick(random, cluster.replicas);
    const inflict = async () => {
      replica.pause();
      await sleep(PAUSE_MS);
      replica.resume();
    };
    return { target: replica.name, inflict };
  },
};

const crash: Fault = {
  kind: "Postgres immediate stop",
  plan: ({ database }) => ({ target: "postgres", inflict: () => database.crash() }),
};

const terminate: Fault = {
  kind: "terminated backends",
  plan({ database, replicas }, random) {
    const { service } = pick(random, replicas);
    return { target: service, inflict: () => database.terminate(schemaOf(service)) };
  },
};

const idle: Fault = {
  kind: "long idle transaction",
  plan: ({ database }) => ({
    target: "postgres",
    inflict: () =>
      database.admin(async (db) => {
        // Keeps a snapshot and the locks of what it read, as a forgotten console does.
        await db.transaction(async (tx) => {
          await tx.query("select count(*) from lanekeeper_identity.session_keys");
          await sleep(WEATHER_MS);
        });
      }),
  }),
};

const exhausted: Fault = {
  kind: "no connection to be had",
  plan({ database, replicas }, random) {
    const { service } = pick(random, replicas);
    const role = schemaOf(service);
    const limit = (most: number) => `alter role ${role} connection limit ${most}`;
    const inflict = async () => {
      await database.admin((db) => db.query(limit(0)));
      await database.terminate(role);
      await sleep(WEATHER_MS);
      await database.admin((db) => db.query(limit(-1)));
    };
    return { target: service, inflict };
  },
};

const atPoint: Fault = {
  kind: "kill -9 at a point of the code",
  plan(cluster, random) {
    const { name, service } = pick(random, POINTS);
    const replica = pick(
      random,
      cluster.replicas.filter((one) => one.service === service),
    );
    return { target: `${replica.name} ${name}`, inflict: () => replica.dieAt(name) };
  },
};

function weather(kind: string, weatherOf: Weather): Fault {
  return {
    kind,
    plan(cluster, random) {
      const link = pick(random, cluster.links);
      const inflict = async () => {
        link.weather = weatherOf;
        await sleep(WEATHER_MS);
        link.weather = "open";
      };
      return { target: link.name, inflict };
    },
  };
}

/** Kills and pauses come oftener than the rest. */
export const FAULTS: readonly Fault[] = [
  ...[kill, pause, crash, terminate, exhausted, idle],
  ...[weather("cut link", "cut"), weather("slow link", "delay"), weather("blackhole", "blackhole")],
  ...[kill, pause, atPoint, atPoint],
];

/** What the harness has no means to make, and says so. */
export const NOT_MADE: readonly string[] = [
  "full disk (needs a file system of its own)",
  "clock skew between processes (needs a clock of its own for each)",
  "half-open connections and faults at single gRPC calls (drop the reply, duplicate)",
];
