import type { tracing } from "@opentelemetry/sdk-node";
import { startTelemetry } from "../telemetry/telemetry.ts";

export interface SpanRecorder extends AsyncDisposable {
  /** Spans that have ended, oldest first. */
  finished(): readonly tracing.ReadableSpan[];
}

/** Telemetry for a test: every span is recorded, none leaves the process. One at a time per process. */
export async function recordSpans(): Promise<SpanRecorder> {
  const finished: tracing.ReadableSpan[] = [];
  const telemetry = await startTelemetry({
    service: "test",
    instanceId: "test-1",
    version: "0.0.0",
    env: {},
    spanProcessors: [collectInto(finished)],
  });
  return {
    finished: () => finished,
    [Symbol.asyncDispose]: () => telemetry[Symbol.asyncDispose](),
  };
}

/** At once, where OpenTelemetry's own in-memory exporter lags behind by a few promises. */
function collectInto(finished: tracing.ReadableSpan[]): tracing.SpanProcessor {
  return {
    onStart: () => undefined,
    onEnd: (span) => {
      finished.push(span);
    },
    forceFlush: () => Promise.resolve(),
    shutdown: () => Promise.resolve(),
  };
}
