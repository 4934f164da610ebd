import type { Metadata } from "@grpc/grpc-js";
import type { PeerCertificate } from "node:tls";
import { authorize } from "../auth/allow.ts";
import type { Authenticator, Credentials } from "../auth/authenticator.ts";
import type { Peer } from "../auth/peer.ts";
import { methodName } from "../call/call-context.ts";
import { ServerCall } from "../call/server-call.ts";
import { invalid } from "../errors/constructors.ts";
import { type Caller, first, readCaller } from "../metadata/caller.ts";
import { METADATA } from "../metadata/names.ts";
import { requestIdOr } from "../metadata/request-id.ts";
import { startCallSpan } from "../telemetry/call-span.ts";
import type { RpcHooks } from "../telemetry/hooks.ts";
import { contextOf } from "../telemetry/trace-context.ts";
import { armDeadline, cancelled, deadlineExceeded, effectiveDeadline } from "./deadline.ts";
import type { InFlight } from "./in-flight.ts";
import type { ServeLimits } from "./limits.ts";
import type { MethodBinding } from "./service-binding.ts";

/** What is needed of a call of grpc-js to let it in. */
export interface IncomingCall {
  readonly metadata: Metadata;
  readonly cancelled: boolean;
  getDeadline(): Date | number;
  getAuthContext(): { readonly sslPeerCertificate?: PeerCertificate } | null;
  on(event: "cancelled", listener: () => void): unknown;
}

/** What all calls of one server share. */
export interface CallGate {
  readonly authenticator: Authenticator;
  readonly limits: ServeLimits;
  readonly hooks: RpcHooks;
  readonly inFlight: InFlight;
}

/** A call that was let in; `close` when its handler has returned. */
export interface OpenCall {
  readonly call: ServerCall;
  readonly close: () => void;
}

/** Lets a call in, or throws why not. Nothing of the handler has run then. */
export async function openCall(
  gate: CallGate,
  binding: MethodBinding,
  incoming: IncomingCall,
): Promise<OpenCall> {
  gate.inFlight.check();
  const shown = gate.authenticator.authenticate(credentials(incoming));
  const peer = shown instanceof Promise ? await shown : shown;
  authorize(peer, methodName(binding.method), binding.allow);
  const caller = callerOf(peer, incoming.metadata, binding);
  const asked = incoming.getDeadline();
  const deadlineMs = effectiveDeadline(binding.method, asked, gate.limits);
  const call = makeCall(gate, binding, incoming, { peer, caller, deadlineMs });
  return admit(gate, call, incoming, deadlineMs, deadlineMs < Number(asked));
}

function credentials(incoming: IncomingCall): Credentials {
  return {
    authorization: first(incoming.metadata, METADATA.authorization) || undefined,
    header: (name) => first(incoming.metadata, name) || undefined,
    certificate: () => incoming.getAuthContext()?.sslPeerCertificate,
  };
}

function callerOf(peer: Peer, metadata: Metadata, binding: MethodBinding): Caller {
  const caller = peer.kind === "service" ? readCaller(metadata) : peer.caller;
  if (binding.needsTenant && caller.tenant === "") {
    throw invalid(METADATA.tenant, `${methodName(binding.method)} is called for a tenant`);
  }
  return caller;
}

function makeCall(
  gate: CallGate,
  { method }: MethodBinding,
  { metadata }: IncomingCall,
  who: { readonly peer: Peer; readonly caller: Caller; readonly deadlineMs: number },
): ServerCall {
  const parent = contextOf({
    traceparent: first(metadata, METADATA.traceparent),
    tracestate: first(metadata, METADATA.tracestate),
  });
  return new ServerCall({
    peer: who.peer,
    caller: who.caller,
    deadlineMs: who.deadlineMs,
    method,
    requestId: requestIdOr(first(metadata, METADATA.requestId)),
    span: startCallSpan("server", method, parent),
    transport: "grpc",
    hooks: gate.hooks,
  });
}

function admit(
  gate: CallGate,
  call: ServerCall,
  incoming: IncomingCall,
  deadlineMs: number,
  ours: boolean,
): OpenCall {
  const place = gate.inFlight.add(call);
  const disarm = ours ? armDeadline(call, deadlineMs) : undefined;
  const onEnd = () => call.abort(Date.now() >= deadlineMs ? deadlineExceeded() : cancelled());
  incoming.on("cancelled", onEnd);
  if (incoming.cancelled) onEnd();
  return {
    call,
    close: () => {
      disarm?.();
      gate.inFlight.delete(place);
    },
  };
}
