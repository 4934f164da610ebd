import {
  type Context,
  context,
  isSpanContextValid,
  type Span,
  type SpanOptions,
  TraceFlags,
  type Tracer,
  type TracerProvider,
  trace,
} from "@opentelemetry/api";
import type { tracing } from "@opentelemetry/sdk-node";

/**
 * Gives every piece of work a trace id and records nothing: for a process that exports no spans. A
 * caller's span context goes on unchanged, as W3C Trace Context asks of one who does not take part, so
 * that a recording caller and a recording callee stay connected across us. It costs a third of what a
 * span costs that is recorded and thrown away.
 */
export class PassThroughTracerProvider implements TracerProvider {
  readonly #tracer: Tracer;

  constructor(ids: tracing.IdGenerator) {
    this.#tracer = new PassThroughTracer(ids);
  }

  getTracer(): Tracer {
    return this.#tracer;
  }
}

class PassThroughTracer implements Tracer {
  readonly #ids: tracing.IdGenerator;

  constructor(ids: tracing.IdGenerator) {
    this.#ids = ids;
  }

  startSpan(_name: string, options: SpanOptions = {}, parent: Context = context.active()): Span {
    const caller = options.root === true ? undefined : trace.getSpanContext(parent);
    if (caller !== undefined && isSpanContextValid(caller)) {
      return trace.wrapSpanContext({
        ...caller,
        traceFlags: caller.traceFlags & TraceFlags.SAMPLED,
      });
    }
    return trace.wrapSpanContext({
      traceId: this.#ids.generateTraceId(),
      spanId: this.#ids.generateSpanId(),
      traceFlags: TraceFlags.NONE,
    });
  }

  startActiveSpan<F extends (span: Span) => unknown>(name: string, fn: F): ReturnType<F>;
  startActiveSpan<F extends (span: Span) => unknown>(
    name: string,
    options: SpanOptions,
    fn: F,
  ): ReturnType<F>;
  startActiveSpan<F extends (span: Span) => unknown>(
    name: string,
    options: SpanOptions,
    parent: Context,
    fn: F,
  ): ReturnType<F>;
  startActiveSpan(name: string, ...rest: readonly unknown[]): unknown {
    const fn = rest.at(-1) as (span: Span) => unknown;
    const options = rest.length > 1 ? (rest[0] as SpanOptions) : {};
    const parent = rest.length > 2 ? (rest[1] as Context) : context.active();
    const span = this.startSpan(name, options, parent);
    return context.with(trace.setSpan(parent, span), () => fn(span));
  }
}
