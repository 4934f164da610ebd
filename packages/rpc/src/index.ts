export { type Allow, allowAll } from "./auth/allow.ts";
export type { Authenticator, Credentials } from "./auth/authenticator.ts";
export { serviceAuthenticator } from "./auth/service-authenticator.ts";
export { type Peer, type PeerName, peerName } from "./auth/peer.ts";
export {
  serviceCredential,
  type ServiceCredential,
  serviceTokenAuthenticator,
} from "./auth/service-credential.ts";
export { SERVICE_NAMES, type ServiceName } from "./auth/service-name.ts";
export { type CallContext, isOutside, methodName, remainingMs } from "./call/call-context.ts";
export type { BidiHandler, Routes, ServerStreamHandler, UnaryHandler } from "./call/routes.ts";
export { PushStream, type PushStreamOptions } from "./call/push-stream.ts";
export type { CallOptions } from "./client/call-options.ts";
export { type ChannelLimits, DEFAULT_CHANNEL_LIMITS } from "./client/channel.ts";
export type { ClientCredential, ClientDefaults } from "./client/client-settings.ts";
export {
  type ChannelControl,
  type ClientMethods,
  type ClientOptions,
  createGrpcClient,
  type GrpcClient,
} from "./client/create-client.ts";
export { MessageStream } from "./client/message-stream.ts";
export { backoffMs, DEFAULT_RETRY, type RetryPolicy } from "./client/retry.ts";
export { closableServer, type HttpServerCloser } from "./connect/close-http-server.ts";
export {
  type ConnectHandler,
  connectHandler,
  type ConnectHandlerOptions,
} from "./connect/connect-handler.ts";
export type { BodyGuard } from "./connect/guarded-body.ts";
export { jsonRegistry } from "./connect/json-registry.ts";
export { type ConnectLimits, DEFAULT_CONNECT_LIMITS } from "./connect/connect-limits.ts";
export type { ConnectService } from "./connect/connect-routes.ts";
export { applyCors, type CorsOptions } from "./connect/cors.ts";
export type { Authorize } from "./connect/open-connect-call.ts";
export { proxyRoutes } from "./connect/proxy-routes.ts";
export { Code, type CodeName, codeName } from "./errors/code.ts";
export {
  draining,
  invalid,
  later,
  isNotFound,
  notFound,
  payloadTooLarge,
  permissionDenied,
  slowConsumer,
  storeUnavailable,
  unauthenticated,
} from "./errors/constructors.ts";
export { fromGrpcError, fromStatus } from "./errors/from-status.ts";
export { isRetryable } from "./errors/is-retryable.ts";
export { isUnimplemented } from "./errors/is-unimplemented.ts";
export {
  type FieldViolation,
  hasReason,
  LanekeeperError,
  type LanekeeperErrorOptions,
} from "./errors/lanekeeper-error.ts";
export {
  isReason,
  type Reason,
  type ReasonRow,
  REASONS,
  reasonRow,
  type ShouldRetry,
} from "./errors/reasons.ts";
export { errorDetail, RpcError } from "./errors/rpc-error.ts";
export { serviceMetadata, silentService } from "./errors/silent-service.ts";
export { type OnInternalError, toStatus } from "./errors/to-status.ts";
export type { ExchangeClientLimits } from "./exchange/exchange-client-limits.ts";
export { exchangeHandler, type ExchangeOptions } from "./exchange/exchange-handler.ts";
export { DEFAULT_EXCHANGE_LIMITS, type ExchangeLimits } from "./exchange/exchange-limits.ts";
export { findReplicas, type Replicas } from "./exchange/replicas.ts";
export type { Caller } from "./metadata/caller.ts";
export { METADATA } from "./metadata/names.ts";
export { decodeList, decodeValue, encodeList, encodeValue } from "./metadata/percent.ts";
export { requestIdOr } from "./metadata/request-id.ts";
export type { DrainReport } from "./serve/drain.ts";
export { DEFAULT_SERVE_LIMITS, type ServeLimits } from "./serve/limits.ts";
export { type ExplainBusyPort, hostPort, PortBusyError } from "./serve/listen.ts";
export { type GrpcServer, type ServeOptions, serveGrpc } from "./serve/serve-grpc.ts";
export { type AnyServiceBinding, service, type ServiceBinding } from "./serve/service-binding.ts";
export type { CallReport, InternalErrorReport, RpcHooks } from "./telemetry/hooks.ts";
export {
  contextOf,
  formatTraceHeaders,
  parseTraceHeaders,
  type TracedWork,
  type TraceHeaders,
} from "./telemetry/trace-context.ts";
export type { ClientTls, ClientTlsOptions, ServerTls, TlsFiles, TlsOptions } from "./tls.ts";
