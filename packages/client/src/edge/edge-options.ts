import type { RetryPolicy } from "@lanekeeper/rpc";

/** How ingress is reached from outside the cluster. */
export interface EdgeOptions {
  /** Such as `https://lanekeeper.example.org`, or `http://127.0.0.1:8080` on one machine. */
  readonly baseUrl: string;
  /** The credential; tenant, principal and scopes are those that it stands for. */
  readonly apiKey: string;
  /** Of unary calls; default 10 s. Streams have none. */
  readonly timeoutMs?: number;
  /** Default: 4 attempts, 50 ms to 1 s apart. */
  readonly retry?: Partial<RetryPolicy>;
}

/** How long, and within what, one call is made. */
export interface EdgeCallOptions {
  /** The label of the request, `x-request-id`. */
  readonly requestId?: string | undefined;
  /** Ends the call as CANCELLED. */
  readonly signal?: AbortSignal | undefined;
  /** From now, over all attempts. */
  readonly timeoutMs?: number | undefined;
  /** The trace that this call is part of, as W3C has it. */
  readonly traceparent?: string | undefined;
  /** `false`: one attempt. */
  readonly retry?: Partial<RetryPolicy> | false | undefined;
}
