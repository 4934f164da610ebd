import type { ServerResponse } from "node:http";
import type { DescMethod } from "@bufbuild/protobuf";
import { createContextKey, type HandlerContext } from "@connectrpc/connect";
import { ServerCall } from "../call/server-call.ts";
import type { Caller } from "../metadata/caller.ts";
import { requestIdOr } from "../metadata/request-id.ts";
import { armDeadline, cancelled, deadlineExceeded, effectiveDeadline } from "../serve/deadline.ts";
import type { InFlight } from "../serve/in-flight.ts";
import { startCallSpan } from "../telemetry/call-span.ts";
import type { RpcHooks } from "../telemetry/hooks.ts";
import { contextOf } from "../telemetry/trace-context.ts";
import { UNPACKED } from "./body-room.ts";
import type { ConnectLimits } from "./connect-limits.ts";
import { UNREAD } from "./while-read.ts";

/**
 * Finds out for whom a call is made, and whether that credential may make it. What it puts into
 * `told` stands in the headers of the answer, also of a refusal.
 * @throws UNAUTHENTICATED, PERMISSION_DENIED, RATE_LIMITED
 */
export type Authorize = (
  method: DescMethod,
  headers: Headers,
  told: Headers,
  answer: ServerResponse | undefined,
) => Caller | Promise<Caller>;

/** Under which the handlers of a request find what answers it. */
export const HTTP_ANSWER = createContextKey<ServerResponse | undefined>(undefined, {
  description: "the HTTP answer",
});

/** What all calls of one Connect door share. */
export interface ConnectGate {
  readonly limits: ConnectLimits;
  readonly hooks: RpcHooks;
  readonly inFlight: InFlight;
}

export interface OpenConnectCall {
  readonly call: ServerCall;
  readonly close: () => void;
}

/** The label under which this request is told of, also where it is refused. */
export function requestIdOf(headers: Headers): string {
  return requestIdOr(headers.get("x-request-id") ?? undefined);
}

/** Lets a call in, or throws why not. */
export async function openConnectCall(
  gate: ConnectGate,
  method: DescMethod,
  context: HandlerContext,
  authorize: Authorize,
  requestId: string,
): Promise<OpenConnectCall> {
  context.values.get(UNPACKED)();
  gate.inFlight.check();
  const headers = context.requestHeader;
  const httpAnswer = context.values.get(HTTP_ANSWER);
  const caller = await authorize(method, headers, context.responseHeader, httpAnswer);
  const parent = contextOf({
    traceparent: headers.get("traceparent") ?? undefined,
    tracestate: headers.get("tracestate") ?? undefined,
  });
  const deadlineMs = effectiveDeadline(method, askedDeadline(context), gate.limits);
  const call = new ServerCall({
    method,
    peer: { kind: "caller", caller },
    caller,
    requestId,
    deadlineMs,
    span: startCallSpan("server", method, parent),
    transport: "connect",
    hooks: gate.hooks,
    httpAnswer,
  });
  return admit(gate, call, context, deadlineMs);
}

function askedDeadline(context: HandlerContext): number {
  const timeoutMs = context.timeoutMs();
  return timeoutMs === undefined ? Number.POSITIVE_INFINITY : Date.now() + timeoutMs;
}

function admit(
  gate: ConnectGate,
  call: ServerCall,
  context: HandlerContext,
  deadlineMs: number,
): OpenConnectCall {
  const place = gate.inFlight.add(call);
  context.values.get(UNREAD).tell = (error) => call.abort(error);
  const disarm = deadlineMs === Number.POSITIVE_INFINITY ? () => {} : armDeadline(call, deadlineMs);
  const onEnd = () => call.abort(Date.now() >= deadlineMs ? deadlineExceeded() : cancelled());
  context.signal.addEventListener("abort", onEnd, { once: true });
  if (context.signal.aborted) onEnd();
  return {
    call,
    close: () => {
      disarm();
      context.signal.removeEventListener("abort", onEnd);
      gate.inFlight.delete(place);
    },
  };
}
