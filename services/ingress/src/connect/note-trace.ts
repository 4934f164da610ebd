import type { DescService } from "@bufbuild/protobuf";
import type { CallContext, Routes } from "@lanekeeper/rpc";
import { noteRpc } from "../http/rpc-facts.ts";

type Handler = (request: unknown, call: CallContext) => unknown;

/** The same routes, which tell the log line of an RPC of which trace it is. */
export function notingTrace<D extends DescService>(desc: D, routes: Routes<D>): Routes<D> {
  const all = routes as Readonly<Record<string, Handler>>;
  const noting = desc.methods
    .filter(({ methodKind }) => methodKind === "unary" || methodKind === "server_streaming")
    .map(({ localName }) => [localName, noted(all[localName] as Handler)]);
  return { ...routes, ...(Object.fromEntries(noting) as Partial<Routes<D>>) };
}

function noted(handler: Handler): Handler {
  return (request, call) => {
    const { httpAnswer, traceparent } = call;
    if (httpAnswer !== undefined) noteRpc(httpAnswer, { traceparent });
    return handler(request, call);
  };
}
