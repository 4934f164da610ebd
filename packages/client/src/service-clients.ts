import { DeliveryService } from "@lanekeeper/protocol/lanekeeper/delivery/v1/delivery_service";
import { SessionIdentityService } from "@lanekeeper/protocol/lanekeeper/identity/v1/identity_service";
import { IngressService } from "@lanekeeper/protocol/lanekeeper/ingress/v1/ingress_service";
import { RunnerService } from "@lanekeeper/protocol/lanekeeper/runner/v1/runner_service";
import { type ClientOptions, createGrpcClient, type GrpcClient } from "@lanekeeper/rpc";

/**
 * How a service is reached. `target` is `dns:///name:port`, `host:port`, or a comma list of
 * `address:port`; `credential` is what `serviceCredential(name, clusterSecret)` of @lanekeeper/rpc
 * gives, or, at ingress, `apiKeyCredential(key)`. The rest has defaults: 10 s for a unary call,
 * retries with the same request where nothing answered, no TLS.
 *
 * Every method takes `(request, options?)`. `options` says for whom: `tenant`, `principal`, `scopes`
 * (left out where a service acts for itself), or `parent`, the call being served, which passes on all
 * of it with its deadline and its end. A refusal is thrown as a LanekeeperError with a `reason`;
 * `asCallError` turns it into a class by what to do next.
 */
export type ServiceClientOptions = ClientOptions;

/** Who is this key now, may this write happen, what happened to this key and why. */
export type IdentityClient = GrpcClient<typeof SessionIdentityService>;
/** Lanes, turns and transcripts. */
export type RunnerClient = GrpcClient<typeof RunnerService>;
/** Routes, replies on their way, and session states fanned out. */
export type DeliveryClient = GrpcClient<typeof DeliveryService>;
/** Who a credential is, and what became of its requests. */
export type IngressClient = GrpcClient<typeof IngressService>;

/** A client of session-identity. Connects on the first call; `$close()` or `using` ends it. */
export function createIdentityClient(options: ServiceClientOptions): IdentityClient {
  return createGrpcClient(SessionIdentityService, options);
}

/** A client of runner. Connects on the first call; `$close()` or `using` ends it. */
export function createRunnerClient(options: ServiceClientOptions): RunnerClient {
  return createGrpcClient(RunnerService, options);
}

/** A client of delivery. Connects on the first call; `$close()` or `using` ends it. */
export function createDeliveryClient(options: ServiceClientOptions): DeliveryClient {
  return createGrpcClient(DeliveryService, options);
}

/** A client of ingress's own service. Connects on the first call; `$close()` or `using` ends it. */
export function createIngressClient(options: ServiceClientOptions): IngressClient {
  return createGrpcClient(IngressService, options);
}
