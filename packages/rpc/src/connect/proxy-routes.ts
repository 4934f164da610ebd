import type { DescMethod, DescService } from "@bufbuild/protobuf";
import type { CallContext } from "../call/call-context.ts";
import type { Routes } from "../call/routes.ts";
import type { CallOptions } from "../client/call-options.ts";
import type { ClientMethods } from "../client/create-client.ts";
import { Code } from "../errors/code.ts";
import { RpcError } from "../errors/rpc-error.ts";

/**
 * Routes that pass every unary and server-streaming call on to a typed client, for whom it was made,
 * within its deadline and trace. Refusals come back as they are. Retries are left to the client; a
 * bidirectional stream is UNIMPLEMENTED.
 */
export function proxyRoutes<D extends DescService>(desc: D, client: ClientMethods<D>): Routes<D> {
  const methods = client as Readonly<Record<string, unknown>>;
  const routes = desc.methods.map((method) => [
    method.localName,
    proxyMethod(method, methods[method.localName]),
  ]);
  return Object.fromEntries(routes) as Routes<D>;
}

type Forward = (request: unknown, options: CallOptions) => unknown;

function proxyMethod(method: DescMethod, forward: unknown): unknown {
  if (method.methodKind === "bidi_streaming" || method.methodKind === "client_streaming") {
    return () => {
      throw new RpcError(Code.UNIMPLEMENTED, `${method.name} is not served at this door`);
    };
  }
  const call = forward as Forward;
  return (request: unknown, context: CallContext) => call(request, { parent: context });
}
