import { Metadata } from "@grpc/grpc-js";
import { context, type Context, trace } from "@opentelemetry/api";
import type { DescMethod } from "@bufbuild/protobuf";
import { RpcError } from "../errors/rpc-error.ts";
import { naming } from "../errors/silent-service.ts";
import { type Caller, NO_CALLER, writeCaller } from "../metadata/caller.ts";
import { METADATA } from "../metadata/names.ts";
import { encodeValue } from "../metadata/percent.ts";
import { LONGEST_TIMEOUT_MS } from "../metadata/timeout.ts";
import { type CallSpan, startCallSpan } from "../telemetry/call-span.ts";
import { contextOf, type TraceHeaders } from "../telemetry/trace-context.ts";
import { abortError } from "./abort.ts";
import type { CallOptions } from "./call-options.ts";
import type { ClientSettings } from "./client-settings.ts";
import { DEFAULT_RETRY, type RetryPolicy } from "./retry.ts";

/** One call on its way out, over all its attempts. */
export interface Outgoing {
  readonly caller: Caller;
  readonly requestId: string | undefined;
  /** Epoch milliseconds; Infinity: none. */
  readonly deadlineMs: number;
  readonly retry: RetryPolicy;
  readonly signals: readonly AbortSignal[];
  readonly span: CallSpan;
}

export function outgoing(
  settings: ClientSettings,
  method: DescMethod,
  options: CallOptions,
): Outgoing {
  const { parent, signal } = options;
  return {
    caller: callerOf(settings, options),
    requestId: options.requestId ?? parent?.requestId,
    deadlineMs: deadlineOf(settings, method, options),
    retry: retryOf(settings, options),
    signals: [signal, parent?.signal].filter((each) => each !== undefined),
    span: startCallSpan("client", method, traceParent(options)),
  };
}

function callerOf({ defaults }: ClientSettings, options: CallOptions): Caller {
  const base = options.parent ?? NO_CALLER;
  return {
    tenant: options.tenant ?? (base.tenant || (defaults.tenant ?? "")),
    principal: options.principal ?? (base.principal || (defaults.principal ?? "")),
    scopes: options.scopes ?? base.scopes,
    agents: options.agents ?? base.agents,
    keyPrefixes: options.keyPrefixes ?? base.keyPrefixes,
  };
}

function deadlineOf(settings: ClientSettings, method: DescMethod, options: CallOptions): number {
  const byDefault = method.methodKind === "unary" ? settings.defaults.timeoutMs : undefined;
  const timeoutMs = options.timeoutMs ?? byDefault ?? Number.POSITIVE_INFINITY;
  const parentMs = options.parent?.deadline?.getTime() ?? Number.POSITIVE_INFINITY;
  const deadlineMs = Math.min(Date.now() + timeoutMs, parentMs);
  if (deadlineMs === Number.POSITIVE_INFINITY) return deadlineMs;
  return Math.min(deadlineMs, Date.now() + LONGEST_TIMEOUT_MS);
}

function retryOf(settings: ClientSettings, { retry }: CallOptions): RetryPolicy {
  if (retry === false) return { ...DEFAULT_RETRY, maxAttempts: 1 };
  return { ...settings.retry, ...retry };
}

/**
 * A trace that the caller names comes first; then the active span, which is the handler's own or a
 * child of it; then, without an SDK to keep one active, what the call is a part of.
 */
function traceParent({ traceparent, tracestate, within, parent }: CallOptions): Context {
  const active = context.active();
  if (traceparent !== undefined) return contextOf({ traceparent, tracestate }, active);
  const work = within ?? parent;
  if (work === undefined || trace.getSpanContext(active) !== undefined) return active;
  return contextOf(work, active);
}

/** What the caller is thrown. An end of its own is not the service's doing. */
export function failureOf(
  { service }: ClientSettings,
  { signals }: Pick<Outgoing, "signals">,
  thrown: unknown,
): unknown {
  if (service === undefined || !(thrown instanceof RpcError)) return thrown;
  return abortError(signals) === undefined ? naming(thrown, service) : thrown;
}

/** The metadata of one attempt. */
export function callMetadata(
  { credential }: ClientSettings,
  { caller, requestId, span }: Outgoing,
  waitForReady: boolean,
): Metadata {
  const metadata = new Metadata({ waitForReady });
  metadata.set(METADATA.authorization, credential.authorization);
  writeCaller(metadata, caller);
  if (requestId !== undefined) metadata.set(METADATA.requestId, encodeValue(requestId));
  writeTrace(metadata, span.headers);
  return metadata;
}

function writeTrace(metadata: Metadata, { traceparent, tracestate }: TraceHeaders): void {
  if (traceparent !== undefined) metadata.set(METADATA.traceparent, traceparent);
  if (tracestate !== undefined) metadata.set(METADATA.tracestate, tracestate);
}
