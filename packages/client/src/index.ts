export { serviceCredential } from "@lanekeeper/rpc";
export { apiKeyCredential } from "./api-key.ts";
export {
  asCallError,
  CallError,
  ConflictCallError,
  FailedCallError,
  FencedCallError,
  RefusedCallError,
  ResumeCallError,
  RetryCallError,
} from "./call-error.ts";
export { createEdgeClients, type EdgeClient, type EdgeClients } from "./edge/edge-clients.ts";
export type { EdgeCallOptions, EdgeOptions } from "./edge/edge-options.ts";
export { type FollowOptions, followSessions, type SessionFeed } from "./follow-sessions.ts";
export type { NextStep } from "./next-step.ts";
export { RunIds } from "./run-ids.ts";
export {
  type ApiKeyClient,
  createApiKeyClient,
  createDeliveryClient,
  createIdentityClient,
  createIngressClient,
  createRunnerClient,
  type DeliveryClient,
  type IdentityClient,
  type IngressClient,
  type RunnerClient,
  type ServiceClientOptions,
} from "./service-clients.ts";
