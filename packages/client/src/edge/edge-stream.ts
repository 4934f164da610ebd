import {
  create,
  type DescMessage,
  type DescMethodServerStreaming,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import { Code, RpcError } from "@lanekeeper/rpc";
import { openAttempt } from "./attempt.ts";
import { type EdgeCall, edgeCall, transportError, withRetries } from "./edge-call.ts";
import { bodyError } from "./edge-error.ts";
import type { EdgeCallOptions, EdgeOptions } from "./edge-options.ts";
import { envelope, envelopes } from "./envelopes.ts";
import { post } from "./post.ts";

/**
 * A server stream of Connect. It is opened when it is first read, by the retry policy; one that breaks
 * later throws, since only its reader knows from where to resume. Leaving the loop cancels the call.
 */
export async function* edgeStream<I extends DescMessage, O extends DescMessage>(
  edge: EdgeOptions,
  method: DescMethodServerStreaming<I, O>,
  request: MessageInitShape<I>,
  options: EdgeCallOptions,
): AsyncGenerator<MessageShape<O>, undefined> {
  const call = edgeCall(edge, "stream", options);
  const body = envelope(toBinary(method.input, create(method.input, request)));
  using attempt = openAttempt(call);
  const { signal } = attempt;
  const contentType = "application/connect+proto";
  const open = async () => {
    const answer = messages(call, await post(edge, call, { method, contentType, body, signal }));
    return { answer, first: await answer.next() };
  };
  // A refusal comes as the stream's end, so only its first message tells that it is open.
  const { answer, first } = await withRetries(call, open);
  if (first.done) return;
  yield fromBinary(method.output, first.value);
  for await (const data of answer) yield fromBinary(method.output, data);
}

/** What comes before the end. @throws RpcError the end's error; UNAVAILABLE where no end came */
async function* messages(
  call: EdgeCall,
  { body }: Response,
): AsyncGenerator<Uint8Array, undefined> {
  try {
    for await (const { isEnd, data } of envelopes(body ?? [])) {
      if (isEnd) return throwIfFailed(data);
      yield data;
    }
  } catch (cause) {
    throw transportError(call, cause);
  }
  throw new RpcError(Code.UNAVAILABLE, "the stream was cut");
}

function throwIfFailed(end: Uint8Array): undefined {
  const { error } = JSON.parse(Buffer.from(end).toString("utf8")) as { error?: object };
  if (error !== undefined) throw bodyError(error);
}
