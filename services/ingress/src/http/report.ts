import type { IncomingMessage, ServerResponse } from "node:http";
import { silentService } from "@lanekeeper/rpc";
import { type Clock, type Log, turnLog } from "@lanekeeper/service";
import type { IngressMetrics } from "../metrics.ts";
import type { RequestFacts } from "./exchange.ts";
import { rpcFactsOf } from "./rpc-facts.ts";

/** The client left before its answer was complete; as nginx logs it. */
const CLIENT_LEFT = 499;

/** The status that a request ended with. */
export function finalStatus(res: ServerResponse): number {
  return res.writableFinished ? res.statusCode : CLIENT_LEFT;
}

/** The log line and the counts of a request that has ended. */
export function reportRequest(
  { log, metrics }: { readonly log: Log; readonly metrics: IngressMetrics },
  facts: RequestFacts,
  status: number,
  seconds: number,
): void {
  const { route, error, caller, session } = facts;
  const reason = error?.reason ?? "";
  metrics.request({ route, status, reason }, seconds);
  turnLog(log, {
    tenant: caller?.tenant,
    principal: caller?.principal,
    channel: facts.channel ?? "http",
    account: facts.account,
    raw_key: facts.rawKey,
    session_key: session?.sessionKey,
    session_id: session?.sessionId,
    generation: session?.generation,
    turn_id: facts.turnId,
    run_id: facts.runId,
    request_id: facts.requestId,
    traceparent: facts.traceparent,
    disposition: facts.disposition,
  }).info(
    {
      route,
      status,
      reason,
      silent_service: silentService(error),
      client_retry_count: facts.clientRetryCount,
      duration_ms: Math.round(seconds * 1_000),
    },
    "request",
  );
}

/**
 * Why it was refused stands in the journal and in the services' own logs.
 * @param shown what the request says of itself; one that was not let in is of no other trace
 */
export function logRpc(
  app: { readonly clock: Clock; readonly log: Log },
  req: IncomingMessage,
  res: ServerResponse,
  shown: { readonly requestId: string; readonly traceparent: string | undefined },
): void {
  const startedMs = app.clock.monotonicMs();
  const route = `${req.method} ${req.url?.split("?", 1)[0] ?? ""}`;
  res.once("close", () => {
    const duration = Math.round(app.clock.monotonicMs() - startedMs);
    const { caller, traceparent = shown.traceparent, silentService: silent } = rpcFactsOf(res);
    const { tenant, principal } = caller ?? {};
    turnLog(app.log, { tenant, principal, request_id: shown.requestId, traceparent }).info(
      { route, status: finalStatus(res), silent_service: silent, duration_ms: duration },
      "request",
    );
  });
}
