import {
  create,
  type DescMessage,
  type DescMethodUnary,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import { openAttempt } from "./attempt.ts";
import { edgeCall, transportError, withRetries } from "./edge-call.ts";
import type { EdgeCallOptions, EdgeOptions } from "./edge-options.ts";
import { post } from "./post.ts";

/**
 * A unary call of Connect, in binary: an answer of a later release may have fields that this one does
 * not know. https://connectrpc.com/docs/protocol#unary-request-response-rpcs
 */
export function edgeUnary<I extends DescMessage, O extends DescMessage>(
  edge: EdgeOptions,
  method: DescMethodUnary<I, O>,
  request: MessageInitShape<I>,
  options: EdgeCallOptions,
): Promise<MessageShape<O>> {
  const call = edgeCall(edge, "unary", options);
  const body = toBinary(method.input, create(method.input, request));
  return withRetries(call, async () => {
    using attempt = openAttempt(call);
    const { signal } = attempt;
    const contentType = "application/proto";
    const response = await post(edge, call, { method, contentType, body, signal });
    const bytes = await response.arrayBuffer().catch((cause: unknown) => {
      throw transportError(call, cause);
    });
    return fromBinary(method.output, new Uint8Array(bytes));
  });
}
