import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Disposal, readSettings, SERVICE_NAMES, type ServiceName } from "@lanekeeper/service";
import { freeEnvironment } from "@lanekeeper/testing";
import { prepareDatabase } from "../../../packages/cli/src/constellation/database/prepare-database.ts";
import { DatabaseServer } from "./database.ts";
import { Link } from "./link.ts";
import { Replica } from "./replica.ts";

/** Short, so that a run of a minute sees many end; delivery's may not be shorter. */
export const LEASE_MS = 2_000;
const DELIVERY_LEASE_MS = 3_000;

/** The product. */
export const BIN = fileURLToPath(
  new URL("../../../packages/cli/bin/lanekeeper.js", import.meta.url),
);

/** Two replicas of each service over one Postgres, every way between them through a link. */
export interface Cluster {
  readonly database: DatabaseServer;
  readonly replicas: readonly Replica[];
  readonly links: readonly Link[];
  /** Those that the calls of services and clients pass. */
  readonly callLinks: readonly Link[];
  readonly secret: string;
  readonly apiKey: string;
  /** Base URLs of ingress, of each replica. */
  readonly baseUrls: readonly string[];
  /** Of a service's gRPC, of each replica. */
  targets(service: ServiceName): readonly string[];
  ready(): Promise<void>;
}

export interface ClusterOptions {
  readonly folder: string;
  /** What node is told before `start <service>` instead of the product. */
  readonly program?: readonly string[];
  /** Whether Postgres gets a disk of its own, which can be filled. */
  readonly wantsDisk?: boolean;
  /** Leases as in the product: a machine that is starved for seconds then makes no takeovers. */
  readonly hasUsualLeases?: boolean;
}

/** What is opened is closed by `opened`. */
export async function startCluster(opened: Disposal, options: ClusterOptions): Promise<Cluster> {
  const secret = randomBytes(32).toString("hex");
  const apiKey = `lk_${randomBytes(24).toString("base64url")}`;
  const database = opened.use(
    await DatabaseServer.start(options.folder, options.wantsDisk ?? false),
  );
  const urls = await prepareDatabase({
    database: { adminUrl: () => database.adminUrl },
    settings: readSettings({}),
    credentials: { clusterSecret: secret },
    tell: () => undefined,
  });
  const links = await openLinks(opened);
  const replicas: Replica[] = [];
  for (const service of SERVICE_NAMES) {
    for (const number of NUMBERS) {
      const store = opened.use(await Link.open(`${service}-${number} to postgres`));
      database.serve(store);
      links.all.push(store);
      const url = Object.assign(new URL(urls[service]), { host: store.address }).href;
      const env = environment(service, { ...options, secret, apiKey, links, url });
      replicas.push(opened.use(startReplica(service, number, env, links, options)));
    }
  }
  const cluster = {
    ...{ database, replicas, links: links.all, secret, apiKey },
    callLinks: SERVICE_NAMES.flatMap((service) =>
      service === "ingress" ? [] : links.grpc[service],
    ),
    baseUrls: links.http.map(({ address }) => `http://${address}`),
    targets: (service: ServiceName) => links.grpc[service].map(({ address }) => address),
    ready: async () => void (await Promise.all(replicas.map((replica) => replica.ready()))),
  };
  await cluster.ready();
  return cluster;
}

const NUMBERS = [1, 2] as const;

interface Links {
  readonly grpc: Readonly<Record<ServiceName, readonly Link[]>>;
  readonly http: readonly Link[];
  readonly all: Link[];
}

async function openLinks(opened: Disposal): Promise<Links> {
  const all: Link[] = [];
  const open = async (name: string) => {
    const link = opened.use(await Link.open(name));
    all.push(link);
    return link;
  };
  const pair = async (name: string) => [await open(`to ${name}-1`), await open(`to ${name}-2`)];
  const grpc = {
    "session-identity": await pair("session-identity"),
    runner: await pair("runner"),
    delivery: await pair("delivery"),
    ingress: await pair("ingress gRPC"),
  };
  return { grpc, http: await pair("ingress"), all };
}

function startReplica(
  service: ServiceName,
  number: number,
  env: Readonly<Record<string, string>>,
  links: Links,
  { folder, program = [BIN] }: ClusterOptions,
): Replica {
  const grpc = links.grpc[service][number - 1];
  const http = service === "ingress" ? links.http[number - 1] : undefined;
  if (grpc === undefined) throw new Error("a replica has a link");
  return new Replica({
    ...{ service, number, env, grpc, program },
    log: join(folder, `${service}-${number}.log`),
    ...(http === undefined ? {} : { http }),
  });
}

interface EnvironmentParts extends ClusterOptions {
  readonly secret: string;
  readonly apiKey: string;
  readonly links: Links;
  readonly url: string;
}

const DATABASE: Readonly<Record<ServiceName, string>> = {
  "session-identity": "LANEKEEPER_IDENTITY_DATABASE_URL",
  runner: "LANEKEEPER_RUNNER_DATABASE_URL",
  delivery: "LANEKEEPER_DELIVERY_DATABASE_URL",
  ingress: "LANEKEEPER_INGRESS_DATABASE_URL",
};

const SHORT_LEASES = {
  LANEKEEPER_LEASE_MS: String(LEASE_MS),
  LANEKEEPER_DELIVERY_LEASE_MS: String(DELIVERY_LEASE_MS),
};

function environment(service: ServiceName, parts: EnvironmentParts): Record<string, string> {
  const { links, secret, apiKey, url, folder, hasUsualLeases = false } = parts;
  const target = (of: ServiceName) => links.grpc[of].map(({ address }) => address).join(",");
  return freeEnvironment({
    LANEKEEPER_DATA_DIR: folder,
    LANEKEEPER_SUPERVISED: "1",
    LANEKEEPER_CLUSTER_SECRET: secret,
    ...(hasUsualLeases ? {} : SHORT_LEASES),
    LANEKEEPER_WEBHOOK_ALLOW_PRIVATE: "127.0.0.0/8",
    LANEKEEPER_IDENTITY_TARGET: target("session-identity"),
    LANEKEEPER_RUNNER_TARGET: target("runner"),
    LANEKEEPER_DELIVERY_TARGET: target("delivery"),
    [DATABASE[service]]: url,
    ...(service === "ingress" ? { LANEKEEPER_API_KEY: apiKey } : {}),
  });
}
