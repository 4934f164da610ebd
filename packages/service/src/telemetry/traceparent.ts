import { type SpanContext, TraceFlags } from "@opentelemetry/api";

/** Version `ff` is invalid; so are an id of zeros, and more parts in version 00. */
const TRACEPARENT =
  /^(?<version>(?!ff)[\da-f]{2})-(?<trace>(?!0{32})[\da-f]{32})-(?<span>(?!0{16})[\da-f]{16})-(?<flags>[\da-f]{2})(?<more>-.*)?$/;

/**
 * https://www.w3.org/TR/trace-context/#traceparent-header
 * Only the sampled flag is kept, since unknown flags are not to be passed on. Undefined: ill-formed.
 */
export function parseTraceparent(text: string): SpanContext | undefined {
  const parts = TRACEPARENT.exec(text.trim())?.groups;
  const { version, trace: traceId, span: spanId, flags, more } = parts ?? {};
  if (traceId === undefined || spanId === undefined || flags === undefined) return undefined;
  if (version === "00" && more !== undefined) return undefined;
  const traceFlags = Number.parseInt(flags, 16) & TraceFlags.SAMPLED;
  return { traceId, spanId, traceFlags, isRemote: true };
}

/** 32 hex digits, as log lines carry them. Undefined: none, empty or ill-formed. */
export function traceIdOf(traceparent: string | undefined): string | undefined {
  return traceparent ? parseTraceparent(traceparent)?.traceId : undefined;
}

export function formatTraceparent({ traceId, spanId, traceFlags }: SpanContext): string {
  return `00-${traceId}-${spanId}-${traceFlags & TraceFlags.SAMPLED ? "01" : "00"}`;
}
