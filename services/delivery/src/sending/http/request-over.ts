import type { Socket } from "node:net";
import { type buildConnector, Client } from "undici";

export interface HttpRequest {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Buffer;
  readonly signal: AbortSignal;
  /** How much of an answer is read. */
  readonly responseBytes: number;
  /** Whether an answer of this status is read at all; left out: each is. */
  readonly reads?: (status: number) => boolean;
}

export interface HttpAnswer {
  readonly status: number;
  readonly retryAfter: string | undefined;
  /** Its beginning, up to the bound; as much as came. */
  readonly body: string;
}

/**
 * Posts over a connection that is open already, and closes it. Redirects are answers like any other.
 * @throws Error where no status came: the request may have been read
 */
export async function requestOver(socket: Socket, request: HttpRequest): Promise<HttpAnswer> {
  const { url, headers, body, signal, responseBytes } = request;
  const client = new Client(url.origin, { connect: onlyThis(socket) });
  try {
    const path = `${url.pathname}${url.search}`;
    const answer = await client.request({ method: "POST", path, headers, body, signal });
    answer.body.on("error", () => undefined);
    const isRead = request.reads?.(answer.statusCode) ?? true;
    const header = answer.headers["retry-after"];
    return {
      status: answer.statusCode,
      retryAfter: Array.isArray(header) ? header[0] : header,
      body: isRead ? await beginning(answer.body, responseBytes) : "",
    };
  } catch (error) {
    const reason: unknown = signal.aborted ? signal.reason : error;
    throw reason instanceof Error ? reason : new Error(String(reason), { cause: error });
  } finally {
    socket.destroy();
    await client.destroy();
  }
}

/**
 * Never another: a client that connected anew would resolve the name anew. In a later microtask,
 * since undici loses the request if its connector answers before it returns.
 */
function onlyThis(socket: Socket): buildConnector.connector {
  return (_, callback) => {
    queueMicrotask(() => {
      if (socket.destroyed) callback(new Error("the connection was lost"), null);
      else callback(null, socket);
    });
  };
}

/** What cannot be read is left out: the status is the answer. */
async function beginning(body: AsyncIterable<Buffer>, maxBytes: number): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of body) {
      chunks.push(chunk);
      bytes += chunk.length;
      if (bytes >= maxBytes) break;
    }
  } catch {
    // The connection was cut or the time was over.
  }
  return Buffer.concat(chunks).toString("utf8");
}
