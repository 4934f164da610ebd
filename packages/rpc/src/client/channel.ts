import { Client } from "@grpc/grpc-js";
import { quietGrpc } from "../grpc-logging.ts";
import { channelCredentials, type ClientTls } from "../tls.ts";
import { grpcTarget } from "./target.ts";

/** The bounds of one client channel. */
export interface ChannelLimits {
  /** One response message. Larger than a request: pages of transcripts come back. */
  readonly maxResponseBytes: number;
  /** A ping after this silence; with its timeout a black-holed peer is noticed within 18 s. */
  readonly keepaliveTimeMs: number;
  readonly keepaliveTimeoutMs: number;
  /** Between two attempts to connect: a restarted service is found again within two seconds. */
  readonly initialReconnectMs: number;
  readonly maxReconnectMs: number;
}

export const DEFAULT_CHANNEL_LIMITS: ChannelLimits = {
  maxResponseBytes: 16 * 1024 * 1024,
  keepaliveTimeMs: 10_000,
  keepaliveTimeoutMs: 8_000,
  initialReconnectMs: 100,
  maxReconnectMs: 2_000,
};

const ROUND_ROBIN = JSON.stringify({ loadBalancingConfig: [{ round_robin: {} }] });

/** A new name is looked up again at most this often after connections are lost. */
const DNS_INTERVAL_MS = 5_000;

/**
 * A channel of grpc-js to all replicas behind a target. `serverName` is whom TLS expects there, where
 * the target is the address of one replica of a name.
 */
export function openChannel(
  target: string,
  tls: ClientTls | undefined,
  limits: ChannelLimits,
  serverName?: string,
): Client {
  quietGrpc();
  const named = tls !== undefined && serverName !== undefined;
  return new Client(grpcTarget(target), channelCredentials(tls), {
    ...(named ? { "grpc.ssl_target_name_override": serverName } : {}),
    // With http_proxy set grpc-js would send even loopback through the proxy.
    "grpc.enable_http_proxy": 0,
    "grpc.service_config": ROUND_ROBIN,
    "grpc.service_config_disable_resolution": 1,
    // isRetryable decides, on the same request; grpc-js knows no reasons.
    "grpc.enable_retries": 0,
    "grpc.max_receive_message_length": limits.maxResponseBytes,
    "grpc.keepalive_time_ms": limits.keepaliveTimeMs,
    "grpc.keepalive_timeout_ms": limits.keepaliveTimeoutMs,
    "grpc.keepalive_permit_without_calls": 1,
    "grpc.initial_reconnect_backoff_ms": limits.initialReconnectMs,
    "grpc.max_reconnect_backoff_ms": limits.maxReconnectMs,
    "grpc.dns_min_time_between_resolutions_ms": DNS_INTERVAL_MS,
    "grpc.enable_channelz": 0,
    // Connections of its own: what another client has learnt of an address is not believed here, such as
    // that nobody answered at a port where a server has come up since.
    "grpc.use_local_subchannel_pool": 1,
  });
}

/** Resolves when a replica is connected. @throws Error when the time is over */
export function channelReady(channel: Client, timeoutMs: number): Promise<void> {
  return new Promise((resolve, reject) => {
    channel.waitForReady(Date.now() + timeoutMs, (error) => {
      if (error === undefined) resolve();
      else reject(error);
    });
  });
}
