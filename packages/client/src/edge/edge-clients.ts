import type {
  DescMessage,
  DescMethod,
  DescMethodServerStreaming,
  DescMethodUnary,
  DescService,
  MessageInitShape,
  MessageShape,
} from "@bufbuild/protobuf";
import { DeliveryService } from "@lanekeeper/protocol/lanekeeper/delivery/v1/delivery_service";
import { SessionIdentityService } from "@lanekeeper/protocol/lanekeeper/identity/v1/identity_service";
import { ApiKeyService } from "@lanekeeper/protocol/lanekeeper/ingress/v1/api_key_service";
import { IngressService } from "@lanekeeper/protocol/lanekeeper/ingress/v1/ingress_service";
import { RunnerService } from "@lanekeeper/protocol/lanekeeper/runner/v1/runner_service";
import type { EdgeCallOptions, EdgeOptions } from "./edge-options.ts";
import { edgeStream } from "./edge-stream.ts";
import { edgeUnary } from "./edge-unary.ts";

type EdgeMethod<M> =
  M extends DescMethodUnary<infer I, infer O>
    ? (request: MessageInitShape<I>, options?: EdgeCallOptions) => Promise<MessageShape<O>>
    : M extends DescMethodServerStreaming<infer I, infer O>
      ? (
          request: MessageInitShape<I>,
          options?: EdgeCallOptions,
        ) => AsyncGenerator<MessageShape<O>, undefined>
      : never;

/** A service's unary and server-streaming methods; bidirectional ones need gRPC. */
export type EdgeClient<D extends DescService> = {
  readonly [K in keyof D["method"] as EdgeMethod<D["method"][K]> extends never
    ? never
    : K]: EdgeMethod<D["method"][K]>;
};

/** The services, as ingress serves them to a credential. */
export interface EdgeClients {
  readonly identity: EdgeClient<typeof SessionIdentityService>;
  readonly runner: EdgeClient<typeof RunnerService>;
  readonly delivery: EdgeClient<typeof DeliveryService>;
  readonly ingress: EdgeClient<typeof IngressService>;
  readonly apiKeys: EdgeClient<typeof ApiKeyService>;
}

/**
 * Clients for whoever stands outside and has an API key: Connect over HTTP, at ingress. Holds no
 * connection that would have to be closed. What the key's scopes do not allow is PERMISSION_DENIED:
 * "adapter" registers names and routes, submits and cancels turns, resets; "operator" reads and
 * resets everything; BeginRun, WriteLifecycle, CheckFence and EnqueueDelivery are for services alone.
 * Errors are those of the gRPC clients.
 */
export function createEdgeClients(options: EdgeOptions): EdgeClients {
  return {
    identity: edgeClient(SessionIdentityService, options),
    runner: edgeClient(RunnerService, options),
    delivery: edgeClient(DeliveryService, options),
    ingress: edgeClient(IngressService, options),
    apiKeys: edgeClient(ApiKeyService, options),
  };
}

function edgeClient<D extends DescService>(desc: D, edge: EdgeOptions): EdgeClient<D> {
  const methods = desc.methods.flatMap((method) => {
    const call = edgeMethod(edge, method);
    return call === undefined ? [] : [[method.localName, call]];
  });
  return Object.fromEntries(methods) as EdgeClient<D>;
}

type Request = MessageInitShape<DescMessage>;

function edgeMethod(edge: EdgeOptions, method: DescMethod): unknown {
  switch (method.methodKind) {
    case "unary":
      return (request: Request, options: EdgeCallOptions = {}) =>
        edgeUnary(edge, method as DescMethodUnary, request, options);
    case "server_streaming":
      return (request: Request, options: EdgeCallOptions = {}) =>
        edgeStream(edge, method as DescMethodServerStreaming, request, options);
    default:
      return undefined;
  }
}
