import { DeliveryService } from "@lanekeeper/protocol/lanekeeper/delivery/v1/delivery_service";
import { SessionIdentityService } from "@lanekeeper/protocol/lanekeeper/identity/v1/identity_service";
import { ApiKeyService } from "@lanekeeper/protocol/lanekeeper/ingress/v1/api_key_service";
import { IngressService } from "@lanekeeper/protocol/lanekeeper/ingress/v1/ingress_service";
import { RunnerService } from "@lanekeeper/protocol/lanekeeper/runner/v1/runner_service";
import { type ClientOptions, createGrpcClient, type GrpcClient } from "@lanekeeper/rpc";

/**
 * How a service is reached inside the cluster. `target` is `dns:///name:port`, `host:port`, or a comma
 * list of `address:port`; calls go round all replicas that answer. `credential` is what
 * `serviceCredential(name, clusterSecret)` of @lanekeeper/rpc gives. The rest has defaults: 10 s for a
 * unary call over all its attempts, no bound for a stream; at most 4 attempts, with the same request,
 * where nobody answered or the replica drains; 16 MiB for an answer; no TLS.
 *
 * Every method takes `(request, options?)`. `options` says for whom: `tenant`, `principal`, `scopes`
 * (left out where a service acts for itself), or `parent`, the call being served, which passes on all
 * of it with its deadline and its end; and how: `timeoutMs`, `signal`, `requestId` (the label),
 * `retry: false`. A refusal is thrown as a LanekeeperError with a `reason`; `asCallError` turns it into
 * a class by what to do next. Generations, epochs and revisions are `bigint`, times `Timestamp`,
 * spans `Duration` of @bufbuild/protobuf/wkt.
 */
export type ServiceClientOptions = Omit<ClientOptions, "service">;

/**
 * Who is this key now, may this write happen, what happened to this key and why.
 *
 * | call | refused with |
 * |---|---|
 * | any with a name or a key | MALFORMED_KEY, KEY_TOO_LONG, AGENT_REQUIRED, AGENT_MISMATCH, RESERVED_NAMESPACE, PERMISSION_DENIED |
 * | resolveSession | GENERATION_MISMATCH, where `expectedGeneration` or `expectedSessionId` is not the current one; NOT_FOUND, with `lookUpOnly`; QUOTA |
 * | rotateSession | GENERATION_MISMATCH (`metadata.generation` is the current one), STALE_GENERATION or TAKEN_OVER (a lost owner), IDEMPOTENCY_MISMATCH, NOT_FOUND |
 * | beginRun | SESSION_BUSY (detail SessionBusy), TURN_SKIPPED, RUN_ENDED (mint another run id: `RunIds`), GENERATION_MISMATCH, KEY_MOVED |
 * | writeLifecycle, checkFence | STALE_GENERATION, TAKEN_OVER (detail StaleFence), RUN_ENDED, KEY_MOVED |
 * | registerAlias, registerEquivalence, linkPeer, mergeSessions | ALIAS_CONFLICT, SESSION_BUSY, KEY_MOVED |
 * | watchSessions | RESUME_TOKEN_EXPIRED, SLOW_CONSUMER; see followSessions |
 *
 * All may get STORE_UNAVAILABLE or DRAINING once the attempts are used up; `silentService` of @lanekeeper/rpc tells
 * whom to look at then.
 */
export type IdentityClient = GrpcClient<typeof SessionIdentityService>;

/**
 * Lanes, turns and transcripts. submitTurn and attachTurn are refused with IDEMPOTENCY_MISMATCH,
 * SESSION_BUSY (`ON_CONFLICT_REJECT`), QUEUE_FULL, GENERATION_MISMATCH (`requireGeneration`) or
 * WOULD_DEADLOCK; a refusal without `metadata.turn_id` accepted nothing. How an accepted turn ends is
 * no error of the call: it stands in the `ended` event and in getTurn, with state and `errorReason`.
 */
export type RunnerClient = GrpcClient<typeof RunnerService>;

/**
 * Routes, replies on their way, and session states fanned out. registerRoute is refused with
 * INVALID_REQUEST for an address that may not be posted to, and with QUOTA past 100 routes of a key;
 * redriveDelivery with INVALID_REQUEST for what is no dead letter, and with GENERATION_MISMATCH where
 * `expectedGeneration` is not the current one.
 */
export type DeliveryClient = GrpcClient<typeof DeliveryService>;

/** Who a credential is, and what became of its requests. Beside the management of keys the one service that takes an API key over gRPC. */
export type IngressClient = GrpcClient<typeof IngressService>;

/** The management of a tenant's API keys, at ingress too; with an API key it needs the scope "admin". */
export type ApiKeyClient = GrpcClient<typeof ApiKeyService>;

/** A client of session-identity. Connects on the first call; `$close()` or `using` ends it. */
export function createIdentityClient(options: ServiceClientOptions): IdentityClient {
  return createGrpcClient(SessionIdentityService, { ...options, service: "session-identity" });
}

/** A client of runner. Connects on the first call; `$close()` or `using` ends it. */
export function createRunnerClient(options: ServiceClientOptions): RunnerClient {
  return createGrpcClient(RunnerService, { ...options, service: "runner" });
}

/** A client of delivery. Connects on the first call; `$close()` or `using` ends it. */
export function createDeliveryClient(options: ServiceClientOptions): DeliveryClient {
  return createGrpcClient(DeliveryService, { ...options, service: "delivery" });
}

/** A client of ingress's own service. Connects on the first call; `$close()` or `using` ends it. */
export function createIngressClient(options: ServiceClientOptions): IngressClient {
  return createGrpcClient(IngressService, { ...options, service: "ingress" });
}

/** A client of the management of keys. Connects on the first call; `$close()` or `using` ends it. */
export function createApiKeyClient(options: ServiceClientOptions): ApiKeyClient {
  return createGrpcClient(ApiKeyService, { ...options, service: "ingress" });
}
