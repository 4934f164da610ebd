import { setTimeout as sleep } from "node:timers/promises";
import type { ServiceName } from "@lanekeeper/service";
import { schemaOf } from "../../../packages/cli/src/constellation/database/prepare-database.ts";
import { pick } from "../clients/random.ts";
import { LEASE_MS } from "../world/cluster.ts";
import type { DatabaseServer } from "../world/database.ts";
import type { Fault } from "./fault.ts";

const OUTAGE_MS = 1_500;

/** Longer than a lease: whoever waits so long has lost its right. */
const LOCKED_MS = 1.25 * LEASE_MS;

/** The table that each call of a service needs. */
const HOT: Readonly<Record<ServiceName, string>> = {
  "session-identity": "lanekeeper_identity.session_keys",
  runner: "lanekeeper_runner.lanes",
  delivery: "lanekeeper_delivery.deliveries",
  ingress: "lanekeeper_ingress.api_keys",
};

export const crash: Fault = {
  kind: "Postgres immediate stop",
  plan: ({ database }) => ({ target: "postgres", inflict: () => database.crash() }),
};

export const terminate: Fault = {
  kind: "terminated backends",
  plan({ database, replicas }, random) {
    const { service } = pick(random, replicas);
    return { target: service, inflict: () => database.terminate(schemaOf(service)) };
  },
};

export const noConnection: Fault = {
  kind: "no connection to be had",
  plan({ database, replicas }, random) {
    const { service } = pick(random, replicas);
    const role = schemaOf(service);
    const limit = (most: number) => `alter role ${role} connection limit ${most}`;
    const inflict = async () => {
      await database.admin((db) => db.query(limit(0)));
      await database.terminate(role);
      await sleep(OUTAGE_MS);
      await database.admin((db) => db.query(limit(-1)));
    };
    return { target: service, inflict };
  },
};

/** A table that nobody may read: each connection of the pool waits for it, and all others for one of them. */
export const exhaustedPool: Fault = {
  kind: "exhausted pool",
  plan({ database, replicas }, random) {
    const { service } = pick(random, replicas);
    const lock = `lock table ${HOT[service]} in access exclusive mode`;
    const inflict = () => held(database, async (tx) => void (await tx.query(lock)));
    return { target: service, inflict };
  },
};

/** Keeps a snapshot and the locks of the rows it touched, as a forgotten console does. */
export const idleTransaction: Fault = {
  kind: "long idle transaction with locked rows",
  plan({ database, replicas }, random) {
    const { service } = pick(random, replicas);
    const rows = `select from ${HOT[service]} order by random() limit 50`;
    const lock = `${rows} for update skip locked`;
    const inflict = () => held(database, async (tx) => void (await tx.query(lock)));
    return { target: service, inflict };
  },
};

/** A transaction that does its work and then nothing, for longer than a lease. 0: it was a deadlock's victim. */
function held(
  database: DatabaseServer,
  work: (tx: { query(sql: string): Promise<unknown> }) => Promise<void>,
): Promise<number> {
  const transaction = database.admin((db) =>
    db.transaction(async (tx) => {
      await work(tx);
      await sleep(LOCKED_MS);
    }),
  );
  return transaction.then(
    () => 1,
    () => 0,
  );
}

export const fullDisk: Fault = {
  kind: "full disk",
  plan({ database }) {
    if (typeof database.disk === "string") return database.disk;
    const inflict = async () => Number(await database.fillDisk(OUTAGE_MS));
    return { target: "postgres", inflict };
  },
};
