import type {
  DescMessage,
  DescMethod,
  DescMethodBiDiStreaming,
  DescMethodServerStreaming,
  DescMethodUnary,
  DescService,
  MessageInitShape,
  MessageShape,
} from "@bufbuild/protobuf";
import type { Client as Channel } from "@grpc/grpc-js";
import type { ServiceName } from "../auth/service-name.ts";
import type { ExchangeClientLimits } from "../exchange/exchange-client-limits.ts";
import { openPool } from "../exchange/open-pool.ts";
import type { RpcHooks } from "../telemetry/hooks.ts";
import type { ClientTls } from "../tls.ts";
import type { CallOptions } from "./call-options.ts";
import {
  type ChannelLimits,
  channelReady,
  DEFAULT_CHANNEL_LIMITS,
  openChannel,
} from "./channel.ts";
import type { ClientCredential, ClientDefaults, ClientSettings } from "./client-settings.ts";
import type { MessageStream } from "./message-stream.ts";
import { DEFAULT_RETRY, type RetryPolicy } from "./retry.ts";
import { bidiCall, serverStreamCall } from "./stream-call.ts";
import { unaryCall } from "./unary-call.ts";

export interface ClientOptions {
  /** `dns:///name:port`, `host:port`, or `address:port,address:port`. */
  readonly target: string;
  /** Who answers there: errors that tell of its silence, or of its database's, name it. */
  readonly service?: ServiceName;
  /** Whom TLS expects there, where the target is the address of one replica of a name; see findReplicas. */
  readonly serverName?: string | undefined;
  readonly credential: ClientCredential;
  readonly defaults?: ClientDefaults;
  readonly retry?: Partial<RetryPolicy>;
  /** Default false: a call fails when its attempts find nobody. */
  readonly waitForReady?: boolean;
  readonly limits?: Partial<ChannelLimits>;
  readonly tls?: ClientTls | undefined;
  readonly hooks?: RpcHooks;
  /**
   * Where the service has an Exchange, calls that have frames travel in it. `false`: never. Nothing
   * but speed depends on it.
   */
  readonly exchange?: Partial<ExchangeClientLimits> | false;
}

type ClientMethod<M> =
  M extends DescMethodUnary<infer I, infer O>
    ? (request: MessageInitShape<I>, options?: CallOptions) => Promise<MessageShape<O>>
    : M extends DescMethodServerStreaming<infer I, infer O>
      ? (request: MessageInitShape<I>, options?: CallOptions) => MessageStream<MessageShape<O>>
      : M extends DescMethodBiDiStreaming<infer I, infer O>
        ? (
            requests: AsyncIterable<MessageInitShape<I>>,
            options?: CallOptions,
          ) => MessageStream<MessageShape<O>>
        : never;

/** One method per RPC. All throw RpcError; a refusal with a reason is a LanekeeperError. */
export type ClientMethods<D extends DescService> = {
  readonly [K in keyof D["method"]]: ClientMethod<D["method"][K]>;
};

/** The connection behind a client. No RPC has a name with `$`, so it stands in no one's way. */
export interface ChannelControl extends Disposable {
  readonly $target: string;
  /** Resolves when a replica is connected. @throws Error when the time is over */
  $ready(timeoutMs: number): Promise<void>;
  /** Calls under way end, new ones fail. */
  $close(): void;
}

export type GrpcClient<D extends DescService> = ClientMethods<D> & ChannelControl;

/** A unary call may take this long where nobody says otherwise. */
const DEFAULT_TIMEOUT_MS = 10_000;

/** A typed client. Connections are made on the first call and shared by target in the process. */
export function createGrpcClient<D extends DescService>(
  desc: D,
  options: ClientOptions,
): GrpcClient<D> {
  const channelLimits = { ...DEFAULT_CHANNEL_LIMITS, ...options.limits };
  const channel = openChannel(options.target, options.tls, channelLimits, options.serverName);
  const settings = clientSettings(desc, options, channelLimits);
  const close = () => {
    settings.exchange?.close();
    channel.close();
  };
  const methods = desc.methods.map((method) => [
    method.localName,
    clientMethod(channel, settings, method),
  ]);
  const control: ChannelControl = {
    $target: options.target,
    $ready: (timeoutMs) => channelReady(channel, timeoutMs),
    $close: close,
    [Symbol.dispose]: close,
  };
  return Object.assign(Object.fromEntries(methods) as ClientMethods<D>, control);
}

function clientSettings(
  desc: DescService,
  options: ClientOptions,
  channelLimits: ChannelLimits,
): ClientSettings {
  const { target, credential, tls, exchange = {} } = options;
  return {
    target,
    service: options.service,
    credential,
    defaults: { timeoutMs: DEFAULT_TIMEOUT_MS, ...options.defaults },
    retry: { ...DEFAULT_RETRY, ...options.retry },
    waitForReady: options.waitForReady ?? false,
    hooks: options.hooks ?? {},
    exchange:
      exchange === false
        ? undefined
        : openPool(desc, { target, credential, tls, channelLimits, limits: exchange }),
  };
}

type Request = MessageInitShape<DescMessage>;

function clientMethod(channel: Channel, settings: ClientSettings, method: DescMethod): unknown {
  switch (method.methodKind) {
    case "unary": {
      const unary = method as DescMethodUnary;
      return (request: Request, options: CallOptions = {}) =>
        unaryCall(channel, settings, unary, request, options);
    }
    case "server_streaming":
      return (request: Request, options: CallOptions = {}) =>
        serverStreamCall(channel, settings, method, request, options);
    case "bidi_streaming":
      return (requests: AsyncIterable<Request>, options: CallOptions = {}) =>
        bidiCall(channel, settings, method, requests, options);
    case "client_streaming":
      throw new Error(`${method.name}: client streaming is not used, see Routes`);
  }
}
