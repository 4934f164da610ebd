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
export {
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
