import type { ServiceName } from "../auth/service-name.ts";
import type { ExchangePool } from "../exchange/exchange-pool.ts";
import type { RpcHooks } from "../telemetry/hooks.ts";
import type { RetryPolicy } from "./retry.ts";

/** What is shown on each call; serviceCredential makes one. */
export interface ClientCredential {
  /** The whole `authorization` value. */
  readonly authorization: string;
}

/** What all calls of one client share. */
export interface ClientSettings {
  /** As configured, for logs and metrics. */
  readonly target: string;
  /** Whom an error names that tells of its silence. */
  readonly service: ServiceName | undefined;
  readonly credential: ClientCredential;
  readonly defaults: ClientDefaults;
  readonly retry: RetryPolicy;
  /** After UNAVAILABLE the next attempt waits for a connection, up to the deadline. */
  readonly waitForReady: boolean;
  readonly hooks: RpcHooks;
  /** Pipelined streams for the calls that have frames; undefined: all calls are unary. */
  readonly exchange: ExchangePool | undefined;
}

export interface ClientDefaults {
  /** Of unary calls. */
  readonly timeoutMs?: number;
  readonly tenant?: string;
  readonly principal?: string;
}
