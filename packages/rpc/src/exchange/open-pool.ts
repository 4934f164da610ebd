import type { DescService } from "@bufbuild/protobuf";
import { Metadata } from "@grpc/grpc-js";
import { type ChannelLimits, openChannel } from "../client/channel.ts";
import type { ClientCredential } from "../client/client-settings.ts";
import { rawBytes } from "../codec.ts";
import { METADATA } from "../metadata/names.ts";
import type { ClientTls } from "../tls.ts";
import {
  DEFAULT_EXCHANGE_CLIENT_LIMITS,
  type ExchangeClientLimits,
} from "./exchange-client-limits.ts";
import type { LinkTransport } from "./exchange-link.ts";
import { ExchangePool } from "./exchange-pool.ts";
import { exchangeShape, type ExchangeShape } from "./exchange-shape.ts";
import { findReplicas } from "./replicas.ts";

export interface PoolOptions {
  readonly target: string;
  readonly credential: ClientCredential;
  readonly tls: ClientTls | undefined;
  readonly channelLimits: ChannelLimits;
  readonly limits: Partial<ExchangeClientLimits>;
}

/** The pool of a service that has an Exchange; undefined for one that has none. */
export function openPool(desc: DescService, options: PoolOptions): ExchangePool | undefined {
  const shape = exchangeShape(desc);
  if (shape === undefined) return undefined;
  const limits = { ...DEFAULT_EXCHANGE_CLIENT_LIMITS, ...options.limits };
  return new ExchangePool(shape, limits, {
    replicas: () => findReplicas(options.target),
    connect: (address, serverName) => connect(shape, options, address, serverName),
  });
}

function connect(
  { method }: ExchangeShape,
  options: PoolOptions,
  address: string,
  serverName: string | undefined,
): LinkTransport {
  const channel = openChannel(address, options.tls, options.channelLimits, serverName);
  return {
    channel,
    open: () => {
      const metadata = new Metadata();
      metadata.set(METADATA.authorization, options.credential.authorization);
      const path = `/${method.parent.typeName}/${method.name}`;
      return channel.makeBidiStreamRequest(path, rawBytes, rawBytes, metadata, {});
    },
    close: () => channel.close(),
  };
}
