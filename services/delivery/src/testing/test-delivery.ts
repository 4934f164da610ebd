import {
  createDeliveryClient,
  createIdentityClient,
  type DeliveryClient,
} from "@lanekeeper/client";
import { type ServiceName, serviceCredential } from "@lanekeeper/rpc";
import { Disposal, type Metrics, Secret, systemClock, systemIds } from "@lanekeeper/service";
import { type CapturedLog, captureLog, testContext } from "@lanekeeper/service/testing";
import { parseNetwork } from "@lanekeeper/addresses";
import { LIMITS, type Limits } from "../limits.ts";
import { systemResolve } from "../sending/http/resolve.ts";
import { type DeliveryParts, type RunningDelivery, serveDelivery } from "../serve.ts";
import type { DeliveryDatabase } from "../store/sql.ts";
import type { IdentityStandIn } from "./identity-stand-in.ts";
import { LanesStandIn } from "./lanes-stand-in.ts";

export const SECRET = "a-cluster-secret-of-at-least-32-characters";

/** A replica with its own port, as its callers see it. */
export interface TestDelivery extends AsyncDisposable {
  readonly running: RunningDelivery;
  readonly log: CapturedLog;
  readonly metrics: Metrics;
  /** A client that shows this peer's credential and a tenant, `acme` where none is named. */
  as(peer: ServiceName, tenant?: string): DeliveryClient;
}

/** Bounds that let a test see retries and lost leases within a second. */
export const QUICK: Limits = {
  ...LIMITS,
  pollMs: 20,
  reportSweepMs: 20,
  retryBackoff: { baseMs: 20, maxMs: 50 },
  fenceBackoff: { baseMs: 20, maxMs: 50 },
  watchBackoff: { baseMs: 1, maxMs: 10 },
  followBookmarkMs: 50,
};

const NO_RUNNER: DeliveryParts["runner"] = {
  submitTurn: () => Promise.reject(new Error("this test has no runner")),
};

const LOOPBACK = parseNetwork("127.0.0.0/8");

/** Starts delivery on a database and a stand-in; real time, real gRPC, real sockets. */
export async function startTestDelivery(
  db: DeliveryDatabase,
  identity: IdentityStandIn,
  overrides: Partial<DeliveryParts> & { readonly replica?: string } = {},
): Promise<TestDelivery> {
  const opened = new Disposal();
  const log = captureLog({ service: "delivery" });
  const base = { clock: systemClock, ids: systemIds, log: log.log };
  const instanceId = overrides.replica ?? "delivery-1";
  const identityClient = createIdentityClient({
    target: identity.target,
    credential: serviceCredential("delivery", SECRET),
  });
  opened.defer(() => identityClient.$close());
  const context = testContext("delivery", { ...base, instanceId });
  const running = opened.use(
    await serveDelivery({
      service: context,
      limits: QUICK,
      db,
      identity: identityClient,
      lanes: new LanesStandIn(),
      hooks: {},
      runner: NO_RUNNER,
      slackUrl: new URL("http://slack.invalid/api/"),
      telegramUrl: new URL("http://telegram.invalid/"),
      env: {},
      allowedNetworks: LOOPBACK === undefined ? [] : [LOOPBACK],
      resolve: systemResolve,
      random: Math.random,
      clusterSecret: new Secret(SECRET),
      ...overrides,
    }),
  );
  const as = (peer: ServiceName, tenant = "acme"): DeliveryClient => {
    const client = createDeliveryClient({
      target: `127.0.0.1:${running.grpcPort}`,
      credential: serviceCredential(peer, SECRET),
      defaults: { tenant, principal: "tester" },
    });
    opened.defer(() => client.$close());
    return client;
  };
  const { metrics } = context;
  return { running, log, metrics, as, [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose]() };
}
