import type { CallContext } from "@lanekeeper/rpc";
import { authorizeMethod } from "../connect/permissions.ts";

type AnyHandler = (request: never, call: CallContext) => unknown;

/** An outside credential needs the scope at every door; peers stand in the allow-list. */
export function authorized<R extends Readonly<Record<string, AnyHandler>>>(routes: R): R {
  const wrapped = Object.entries(routes).map(([name, handler]) => [
    name,
    (request: never, call: CallContext) => {
      if (call.peer.kind === "caller") authorizeMethod(call, call.method);
      return handler(request, call);
    },
  ]);
  return Object.fromEntries(wrapped) as R;
}
