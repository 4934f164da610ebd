import type { DescMethod } from "@bufbuild/protobuf";
import { type Context, type Span, SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";
import { Code } from "../errors/code.ts";
import { LanekeeperError } from "../errors/lanekeeper-error.ts";
import type { RpcError } from "../errors/rpc-error.ts";
import { formatTraceHeaders, type TraceHeaders } from "./trace-context.ts";

/** The span of one call, and the context in which its work runs. */
export interface CallSpan {
  readonly context: Context;
  readonly headers: TraceHeaders;
  /** Ends the span; undefined: the call succeeded. */
  end(error: RpcError | undefined): void;
}

/**
 * Starts the span of a call. Names and attributes follow OpenTelemetry's conventions for RPC:
 * https://opentelemetry.io/docs/specs/semconv/rpc/rpc-spans/
 */
export function startCallSpan(
  kind: "server" | "client",
  method: DescMethod,
  parent: Context,
): CallSpan {
  const span = trace.getTracer("@lanekeeper/rpc").startSpan(
    `${method.parent.typeName}/${method.name}`,
    {
      kind: kind === "server" ? SpanKind.SERVER : SpanKind.CLIENT,
      attributes: {
        "rpc.system": "grpc",
        "rpc.service": method.parent.typeName,
        "rpc.method": method.name,
      },
    },
    parent,
  );
  return {
    context: trace.setSpan(parent, span),
    headers: formatTraceHeaders(span.spanContext()),
    end: (error) => endSpan(span, error),
  };
}

function endSpan(span: Span, error: RpcError | undefined): void {
  span.setAttribute("rpc.grpc.status_code", error?.code ?? Code.OK);
  if (error !== undefined) {
    const reason = error instanceof LanekeeperError ? error.reason : error.codeName;
    span.setAttribute("error.type", reason);
    span.setStatus({ code: SpanStatusCode.ERROR, message: reason });
  }
  span.end();
}
