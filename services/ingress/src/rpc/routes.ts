import type { IngressService } from "@lanekeeper/protocol/lanekeeper/ingress/v1/ingress_service";
import type { CallContext, Routes } from "@lanekeeper/rpc";
import { authorizeMethod } from "../connect/permissions.ts";
import type { RequestStore } from "../request-log/store.ts";
import { getCaller } from "./get-caller.ts";
import { listRequests } from "./list-requests.ts";

/** Ingress's own service, the same over gRPC and Connect. */
export function ingressRoutes(requests: Pick<RequestStore, "list">): Routes<typeof IngressService> {
  const list = listRequests(requests);
  return {
    getCaller: (request, call) => {
      authorizeCall(call);
      return getCaller(request, call);
    },
    listRequests: (request, call) => {
      authorizeCall(call);
      return list(request, call);
    },
  };
}

/** An outside credential needs the scope at every door; peers stand in the allow-list. */
function authorizeCall(call: CallContext): void {
  if (call.peer.kind === "caller") authorizeMethod(call, call.method);
}
