import {
  type Context,
  createTraceState,
  isSpanContextValid,
  ROOT_CONTEXT,
  type SpanContext,
  trace,
} from "@opentelemetry/api";

/** A trace context as it travels: https://www.w3.org/TR/trace-context/#traceparent-header */
export interface TraceHeaders {
  readonly traceparent: string | undefined;
  readonly tracestate: string | undefined;
}

/** Whatever knows the trace that it belongs to: a call, a turn, a request. Ill-formed or empty: none. */
export interface TracedWork {
  readonly traceparent?: string | undefined;
  readonly tracestate?: string | undefined;
}

const TRACEPARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;

/** Vendors may grow a tracestate without bound; W3C asks for 512 characters to be carried. */
const MAX_TRACESTATE_CHARS = 512;

/**
 * Reads the headers without a registered propagator, so that a trace passes through a process that
 * runs no SDK. What does not parse is no context.
 */
export function parseTraceHeaders(headers: TracedWork): SpanContext | undefined {
  const match = TRACEPARENT.exec(headers.traceparent ?? "");
  if (match === null) return undefined;
  const [, version = "", traceId = "", spanId = "", flags = "", rest] = match;
  if (version === "ff" || (version === "00" && rest !== undefined)) return undefined;
  const context = { traceId, spanId, traceFlags: Number.parseInt(flags, 16), isRemote: true };
  if (!isSpanContextValid(context)) return undefined;
  return { ...context, ...traceState(headers.tracestate) };
}

function traceState(raw: string | undefined): Pick<SpanContext, "traceState"> {
  if (raw === undefined || raw === "" || raw.length > MAX_TRACESTATE_CHARS) return {};
  return { traceState: createTraceState(raw) };
}

/** The inverse: what a peer, a turn or an outbox row is told. */
export function formatTraceHeaders(context: SpanContext | undefined): TraceHeaders {
  if (context === undefined || !isSpanContextValid(context)) {
    return { traceparent: undefined, tracestate: undefined };
  }
  const flags = (context.traceFlags & 0xff).toString(16).padStart(2, "0");
  return {
    traceparent: `00-${context.traceId}-${context.spanId}-${flags}`,
    tracestate: context.traceState?.serialize() || undefined,
  };
}

/** The context whose active span is the one that the headers name; `base` where they name none. */
export function contextOf(headers: TracedWork, base: Context = ROOT_CONTEXT): Context {
  const spanContext = parseTraceHeaders(headers);
  return spanContext === undefined ? base : trace.setSpanContext(base, spanContext);
}
