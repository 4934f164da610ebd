import type { ServerResponse } from "node:http";
import { createContextKey } from "@connectrpc/connect";
import type { UniversalServerResponse } from "@connectrpc/connect/protocol";
import { slowConsumer } from "../errors/constructors.ts";
import type { RpcError } from "../errors/rpc-error.ts";

/** What a call does about a reader that does not read; without one nobody has to be told. */
export interface Unread {
  tell(error: RpcError): void;
}

/** Under which the handlers of a request find it. */
export const UNREAD = createContextKey<Unread>(
  { tell: () => undefined },
  { description: "an answer that nobody reads" },
);

/**
 * The same answer, whose connection is cut where its reader takes nothing for so long. It cannot be told why: what it
 * would be told stands behind what it does not read.
 */
export function whileRead(
  answer: UniversalServerResponse,
  response: ServerResponse,
  slowConsumerMs: number,
  unread: Unread,
): UniversalServerResponse {
  const { body } = answer;
  if (body === undefined) return answer;
  const slow = (): void => {
    unread.tell(slowConsumer(`nothing was read for ${slowConsumerMs} ms`));
    response.destroy();
  };
  const chunks = timed(body, slowConsumerMs, slow);
  // Whoever waits for room in a connection that is gone asks for no other chunk, and would hold all of it for ever.
  response.once("close", () => void chunks.return(undefined).catch(() => undefined));
  return { ...answer, body: chunks };
}

/** Who asks for the next chunk has got rid of the one before. */
async function* timed(
  body: AsyncIterable<Uint8Array>,
  slowConsumerMs: number,
  slow: () => void,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of body) {
    const timer = setTimeout(slow, slowConsumerMs);
    try {
      yield chunk;
    } finally {
      clearTimeout(timer);
    }
  }
}
