import {
  createGrpcClient,
  type ClientOptions,
  type GrpcClient,
  type GrpcServer,
  serveGrpc,
  service,
  serviceCredential,
  type ServiceName,
  serviceTokenAuthenticator,
} from "@lanekeeper/rpc";
import { SessionIdentityService } from "@lanekeeper/protocol/lanekeeper/identity/v1/identity_service";
import { createMetrics, type Metrics, systemClock, systemIds } from "@lanekeeper/service";
import { captureLog } from "@lanekeeper/service/testing";
import { onTestFinished } from "vitest";
import { createContext, type IdentityContext } from "../context.ts";
import { RULES, type RuleSet } from "../names/rules.ts";
import { ALLOW } from "../rpc/allow.ts";
import { identityRoutes } from "../rpc/routes.ts";
import { TENANTLESS } from "../rpc/tenantless.ts";
import type { Db } from "../store/db.ts";

const SECRET = "test-secret-test-secret-test-secret";

export type IdentityClient = GrpcClient<typeof SessionIdentityService>;

export interface TestReplica {
  readonly context: IdentityContext;
  readonly server: GrpcServer;
  readonly log: ReturnType<typeof captureLog>;
  readonly metrics: Metrics;
  /** How calls have come so far. */
  transports(): readonly string[];
  /** A client of a service of ours, for a tenant. */
  client(peer: ServiceName, defaults?: ClientOptions["defaults"]): IdentityClient;
}

let replicas = 0;

/** One replica behind real gRPC on a free port, ended with the test. */
export async function startReplica(db: Db, rules?: RuleSet): Promise<TestReplica> {
  const log = captureLog();
  const transports: string[] = [];
  replicas += 1;
  const metrics = testMetrics();
  const context = testContext(db, log.log, rules, metrics);
  const server = await serveGrpc({
    host: "127.0.0.1",
    port: 0,
    authenticator: serviceTokenAuthenticator(SECRET),
    hooks: {
      onCall: ({ transport }) => transports.push(transport),
      onInternalError: ({ error }) => log.log.error({ err: error }, "internal error"),
    },
    services: [
      service({
        desc: SessionIdentityService,
        routes: identityRoutes(context),
        allow: ALLOW,
        tenantless: TENANTLESS,
      }),
    ],
  });
  const clients: IdentityClient[] = [];
  onTestFinished(async () => {
    for (const client of clients) client.$close();
    await server.drain({ timeoutMs: 0 });
    await context[Symbol.asyncDispose]();
  });
  const client: TestReplica["client"] = (peer, defaults = {}) => {
    const made = createGrpcClient(SessionIdentityService, {
      target: server.address,
      credential: serviceCredential(peer, SECRET),
      defaults: { tenant: "acme", ...defaults },
    });
    clients.push(made);
    return made;
  };
  return { context, server, log, metrics, client, transports: () => transports };
}

function testMetrics(): Metrics {
  return createMetrics("session-identity", { ofProcess: false });
}

/** The parts of a replica, without a server. */
export function testContext(
  db: Db,
  log = captureLog().log,
  rules: RuleSet = RULES,
  metrics: Metrics = testMetrics(),
): IdentityContext {
  const parts = { db, slowDb: db, log, metrics, clock: systemClock, ids: systemIds };
  return createContext({ ...parts, rules, instanceId: `test-${replicas}` });
}
