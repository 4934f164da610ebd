import type { CallReport, RpcHooks } from "@lanekeeper/rpc";
import { inTrace, type Log, type Metrics } from "@lanekeeper/service";

/** Counts and measures calls, those that come and those that go out, and logs what is a defect. */
export function rpcHooks(metrics: Metrics, log: Log): RpcHooks {
  const labels = ["side", "transport", "rpc_service", "method"] as const;
  const calls = metrics.counter("rpc_calls_total", "RPCs that have ended.", [
    ...labels,
    "code",
    "reason",
  ] as const);
  const seconds = metrics.histogram("rpc_duration_seconds", "Duration of RPCs.", labels);
  /** Few series; finding one by its labels costs prom-client more than counting does. */
  const series = new Map<string, ReturnType<typeof seriesOf>>();
  const seriesOf = ({ side, transport, service, method, code, reason }: CallReport) => {
    const at = { side, transport, rpc_service: service, method };
    return { count: calls.labels({ ...at, code, reason }), duration: seconds.labels(at) };
  };
  return {
    onCall(report) {
      const { side, transport, service, method, code, reason, durationMs } = report;
      const name = `${side} ${transport} ${service} ${method} ${code} ${reason}`;
      const known = series.get(name) ?? seriesOf(report);
      series.set(name, known);
      known.count.inc();
      known.duration.observe(durationMs / 1_000);
    },
    onInternalError({ errorId, error, method, requestId, tenant, traceparent }) {
      const fields = { err: error, error_id: errorId, method, request_id: requestId, tenant };
      inTrace(log, traceparent).error(fields, "internal error");
    },
  };
}
