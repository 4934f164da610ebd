import type { IncomingMessage } from "node:http";
import { later, payloadTooLarge, RpcError } from "@lanekeeper/rpc";
import { Code } from "@lanekeeper/rpc";

/** Counts the bytes of all bodies that are being read or worked on. */
export class BodyBudget {
  readonly #maxBytes: number;
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** @throws RATE_LIMITED if there is no room. */
  take(bytes: number): void {
    if (this.#bytes + bytes > this.#maxBytes) {
      const limit = String(this.#maxBytes);
      const message = `request bodies of ${limit} bytes in all may be read at once; ask again`;
      throw later("RATE_LIMITED", message, 1_000, { metadata: { limit_bytes: limit } });
    }
    this.#bytes += bytes;
  }

  release(bytes: number): void {
    this.#bytes -= bytes;
  }
}

/**
 * Reads a whole body. What is left of a refused one is thrown away by Node once the answer has been
 * written, so that the client gets to read it.
 * @throws PAYLOAD_TOO_LARGE, RATE_LIMITED, CANCELLED if the client leaves before the end.
 */
export async function readBody(
  req: IncomingMessage,
  maxBytes: number,
  budget: BodyBudget,
): Promise<Buffer> {
  const declared = Number(req.headers["content-length"] ?? 0);
  if (declared > maxBytes) throw payloadTooLarge("the body", maxBytes, declared);
  const chunks: Buffer[] = [];
  let bytes = 0;
  const take = (chunk: Buffer): void => {
    if (bytes + chunk.length > maxBytes) throw payloadTooLarge("the body", maxBytes);
    budget.take(chunk.length);
    bytes += chunk.length;
    chunks.push(chunk);
  };
  try {
    await eachChunk(req, take);
    return Buffer.concat(chunks, bytes);
  } finally {
    budget.release(bytes);
  }
}

/** Not `for await`, which would destroy the connection when `take` refuses. */
function eachChunk(req: IncomingMessage, take: (chunk: Buffer) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = (error?: Error): void => {
      req.off("data", onData).off("end", onEnd).off("close", onClose).off("error", onClose);
      if (error === undefined) resolve();
      else reject(error);
    };
    const onData = (chunk: Buffer): void => {
      try {
        take(chunk);
      } catch (error) {
        req.pause();
        stop(error as Error);
      }
    };
    const onEnd = (): void => stop();
    const onClose = (): void => stop(new RpcError(Code.CANCELLED, "the client left while sending"));
    req.on("data", onData).once("end", onEnd).once("close", onClose).once("error", onClose);
  });
}
