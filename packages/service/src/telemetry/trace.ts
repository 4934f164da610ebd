import {
  type Attributes,
  type Context,
  context,
  isSpanContextValid,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  trace,
} from "@opentelemetry/api";
import { formatTraceparent, parseTraceparent } from "./traceparent.ts";

export type SpanRole = "internal" | "server" | "client" | "producer" | "consumer";

export interface SpanOptions {
  /** W3C traceparent of the span that caused this one, in place of the active span. Ill-formed: ignored. */
  readonly parent?: string | undefined;
  /** What the span is to its parent; `internal` without it. */
  readonly kind?: SpanRole | undefined;
}

const KINDS: Readonly<Record<SpanRole, SpanKind>> = {
  internal: SpanKind.INTERNAL,
  server: SpanKind.SERVER,
  client: SpanKind.CLIENT,
  producer: SpanKind.PRODUCER,
  consumer: SpanKind.CONSUMER,
};

/**
 * Runs `fn` in a span, which ends when `fn` returns or its promise settles; a throw or rejection marks
 * it as failed and goes on to the caller. Only where spans are exported it is the active one meanwhile:
 * what must be found under its trace in any process is handed `traceparentOf(span)`.
 */
export function withSpan<T>(
  name: string,
  attributes: Attributes,
  fn: (span: Span) => T,
  options: SpanOptions = {},
): T {
  const parent = contextOf(options.parent) ?? context.active();
  const kind = KINDS[options.kind ?? "internal"];
  const span = trace.getTracer("lanekeeper").startSpan(name, { attributes, kind }, parent);
  return context.with(trace.setSpan(parent, span), () => endWith(span, fn));
}

/** W3C traceparent of a span, to be sent or stored; undefined where telemetry is off. */
export function traceparentOf(span: Span): string | undefined {
  const found = span.spanContext();
  return isSpanContextValid(found) ? formatTraceparent(found) : undefined;
}

/** Says in the active span that something happened now; without one nothing is said. */
export function addSpanEvent(name: string, attributes: Attributes): void {
  trace.getSpan(context.active())?.addEvent(name, attributes);
}

/** 32 hex digits. Undefined without an active span, as in a process that exports none. */
export function activeTraceId(): string | undefined {
  const found = trace.getSpanContext(context.active());
  return found !== undefined && isSpanContextValid(found) ? found.traceId : undefined;
}

function contextOf(traceparent: string | undefined): Context | undefined {
  const parent = traceparent === undefined ? undefined : parseTraceparent(traceparent);
  return parent && trace.setSpanContext(ROOT_CONTEXT, parent);
}

function endWith<T>(span: Span, fn: (span: Span) => T): T {
  let result: T;
  try {
    result = fn(span);
  } catch (error) {
    failed(span, error);
    throw error;
  }
  if (!(result instanceof Promise)) {
    span.end();
    return result;
  }
  return settled(span, result) as T;
}

async function settled(span: Span, result: Promise<unknown>): Promise<unknown> {
  try {
    const value = await result;
    span.end();
    return value;
  } catch (error) {
    failed(span, error);
    throw error;
  }
}

function failed(span: Span, error: unknown): void {
  const message = error instanceof Error ? error.message : String(error);
  span.setStatus({ code: SpanStatusCode.ERROR, message });
  if (error instanceof Error) span.recordException(error);
  span.end();
}
