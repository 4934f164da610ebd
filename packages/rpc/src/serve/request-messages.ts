import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import type { Readable } from "node:stream";
import { setImmediate } from "node:timers/promises";
import type { ServerCall } from "../call/server-call.ts";
import { decodeMessage } from "../codec.ts";
import type { ServeLimits } from "./limits.ts";

/**
 * The messages that a client streams. A handler that stops reading does not end the call; when the
 * call is aborted, the reason is thrown. A client that vanishes (RST_STREAM) first looks to grpc-js
 * like one that has said everything; the truth follows within one turn of the event loop, which is
 * waited for, since a handler may commit what it takes for complete.
 */
export async function* requestMessages<D extends DescMessage>(
  stream: Readable,
  schema: D,
  call: ServerCall,
  limits: Pick<ServeLimits, "maxRequestBytes">,
): AsyncGenerator<MessageShape<D>> {
  try {
    for await (const bytes of stream.iterator({ destroyOnReturn: false })) {
      yield decodeMessage(schema, bytes as Buffer, limits.maxRequestBytes);
    }
  } catch (error) {
    throw call.abortReason ?? error;
  }
  await setImmediate();
  if (call.abortReason !== undefined) throw call.abortReason;
}
