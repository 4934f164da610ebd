import { create, type DescMethodUnary } from "@bufbuild/protobuf";
import { SessionIdentityService } from "@lanekeeper/protocol/lanekeeper/identity/v1/identity_service";
import type { CallContext, CallOptions, ServiceName } from "@lanekeeper/rpc";
import type { IdentityContext } from "../../context.ts";
import { identityRoutes } from "../../rpc/routes.ts";
import type { Calls, Door } from "./door.ts";

type Init = Record<string, unknown>;
type Unary = (request: object, call: CallContext) => Promise<object>;

/** The door of a replica without a transport: between two statements nothing happens but its own work. */
export function directDoor(context: IdentityContext): Door {
  const routes = identityRoutes(context) as unknown as Record<string, Unary>;
  const callsOf = (peer: ServiceName) => {
    const calls = SessionIdentityService.methods.flatMap((method) => {
      const handler = routes[method.localName];
      if (method.methodKind !== "unary" || handler === undefined) return [];
      return [[method.localName, direct(method as DescMethodUnary, handler, peer)]];
    });
    return Object.fromEntries(calls) as Calls;
  };
  return { ingress: callsOf("ingress"), runner: callsOf("runner"), delivery: callsOf("delivery") };
}

function direct(method: DescMethodUnary, handler: Unary, peer: ServiceName) {
  return async (request: Init, options: CallOptions = {}): Promise<object> => {
    const answer = (await handler(
      create(method.input, request),
      callOf(method, peer, options),
    )) as Init;
    return create(method.output, answer);
  };
}

function callOf(method: DescMethodUnary, peer: ServiceName, options: CallOptions): CallContext {
  const { signal } = new AbortController();
  return {
    ...{ tenant: options.tenant ?? "", principal: options.principal ?? "" },
    ...{ scopes: [], agents: [], keyPrefixes: [], method, requestId: "test" },
    ...{ deadline: undefined, traceparent: undefined, tracestate: undefined },
    peer: { kind: "service", service: peer },
    signal,
    abortState: signal,
  };
}
