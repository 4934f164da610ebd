import type { RpcHooks } from "@lanekeeper/rpc";
import { inTrace, type Log, type Metrics } from "@lanekeeper/service";

/** Counts and measures calls, those that come and those that go out, and logs what is a defect. */
export function rpcHooks(metrics: Metrics, log: Log): RpcHooks {
  const labels = ["side", "transport", "rpc_service", "method"] as const;
  const answer = ["code", "reason"] as const;
  const calls = metrics.counter("rpc_calls_total", "RPCs that have ended.", [...labels, ...answer]);
  const seconds = metrics.histogram("rpc_duration_seconds", "Duration of RPCs.", labels);
  return {
    onCall({ side, transport, service, method, code, reason, durationMs }) {
      const at = { side, transport, rpc_service: service, method };
      calls.inc({ ...at, code, reason });
      seconds.observe(at, durationMs / 1_000);
    },
    onInternalError({ errorId, error, method, requestId, tenant, traceparent }) {
      const fields = { err: error, error_id: errorId, method, request_id: requestId, tenant };
      inTrace(log, traceparent).error(fields, "internal error");
    },
  };
}
