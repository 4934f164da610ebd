import { inTrace, type Log } from "./log.ts";
import type { Metrics } from "./metrics.ts";

/** A call that has ended, as far as it is counted here. `CallReport` of @lanekeeper/rpc is one. */
export interface EndedCall {
  readonly side: "server" | "client";
  readonly transport: string;
  /** Fully qualified. */
  readonly service: string;
  readonly method: string;
  /** As gRPC names it; "OK" where it succeeded. */
  readonly code: string;
  /** Empty without one. */
  readonly reason: string;
  readonly durationMs: number;
  /** On the server the caller's service, on the client the target; empty where nobody is known. */
  readonly peer: string;
}

/** An error of which its caller was told this id alone, as @lanekeeper/rpc reports it. */
export interface InternalError {
  readonly errorId: string;
  readonly error: unknown;
  readonly method: string;
  readonly requestId: string;
  readonly tenant: string;
  readonly traceparent: string | undefined;
}

/** Counts and measures calls, those that come and those that go out: `rpc_calls_total`, `rpc_duration_seconds`. */
export function countCalls(metrics: Metrics): (call: EndedCall) => void {
  const labels = ["side", "transport", "rpc_service", "method"] as const;
  const answer = ["peer", "code", "reason"] as const;
  const calls = metrics.counter("rpc_calls_total", "RPCs that have ended.", [...labels, ...answer]);
  const seconds = metrics.histogram("rpc_duration_seconds", "Duration of RPCs.", labels);
  const seriesOf = ({ side, transport, service, method, peer, code, reason }: EndedCall) => {
    const at = { side, transport, rpc_service: service, method };
    return { count: calls.labels({ ...at, peer, code, reason }), duration: seconds.labels(at) };
  };
  /** Few series; finding one by its labels costs prom-client more than counting does. */
  const known = new Map<string, ReturnType<typeof seriesOf>>();
  return (call) => {
    const { side, transport, service, method, peer, code, reason, durationMs } = call;
    const name = `${side} ${transport} ${service} ${method} ${peer} ${code} ${reason}`;
    const series = known.get(name) ?? seriesOf(call);
    known.set(name, series);
    series.count.inc();
    series.duration.observe(durationMs / 1_000);
  };
}

/** Logs what is a defect, in the trace of the call, under the id that its caller was told. */
export function logInternalErrors(log: Log): (report: InternalError) => void {
  return ({ errorId, error, method, requestId, tenant, traceparent }) => {
    const fields = { err: error, error_id: errorId, method, request_id: requestId, tenant };
    inTrace(log, traceparent).error(fields, "internal error");
  };
}
