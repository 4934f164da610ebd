import type { DescService } from "@bufbuild/protobuf";
import { type CallContext, type Routes, silentService } from "@lanekeeper/rpc";
import { noteRpc } from "../http/rpc-facts.ts";

type Answer = Promise<unknown> | AsyncIterable<unknown>;
type Handler = (request: unknown, call: CallContext) => Answer;

/** The same routes, which tell the log line of an RPC of which trace it is, and of whose silence it failed. */
export function notingFacts<D extends DescService>(desc: D, routes: Routes<D>): Routes<D> {
  const all = routes as Readonly<Record<string, Handler>>;
  const noting = desc.methods
    .filter(({ methodKind }) => methodKind === "unary" || methodKind === "server_streaming")
    .map(({ localName }) => [localName, noted(all[localName] as Handler)]);
  return { ...routes, ...(Object.fromEntries(noting) as Partial<Routes<D>>) };
}

function noted(handler: Handler): Handler {
  return (request, call) => {
    const { httpAnswer, traceparent } = call;
    if (httpAnswer === undefined) return handler(request, call);
    noteRpc(httpAnswer, { traceparent });
    const failed = (error: unknown): never => {
      noteRpc(httpAnswer, { silentService: silentService(error) });
      throw error;
    };
    const answer = handler(request, call);
    return answer instanceof Promise ? answer.catch(failed) : streamed(answer, failed);
  };
}

async function* streamed(
  messages: AsyncIterable<unknown>,
  failed: (error: unknown) => never,
): AsyncGenerator<unknown> {
  try {
    yield* messages;
  } catch (error) {
    failed(error);
  }
}
