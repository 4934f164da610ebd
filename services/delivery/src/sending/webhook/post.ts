import type { Socket } from "node:net";
import { type buildConnector, Client, type Dispatcher } from "undici";
import { outcomeOfStatus } from "../../domain/http-answer.ts";
import { retryAfterMs } from "../../domain/retry-after.ts";
import type { SendOutcome } from "../../domain/send-outcome.ts";

export interface PostRequest {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly signal: AbortSignal;
  /** How much of an answer is read. */
  readonly responseBytes: number;
  readonly maxRetryAfterMs: number;
  readonly now: () => Date;
}

/** Shown to people with a refusal. */
const DETAIL_CHARS = 200;

/**
 * Posts over a connection that is open already, and closes it. Redirects are answers like any other.
 * Without a status in the answer the outcome is unknown: the request may have been read.
 */
export async function postOver(socket: Socket, request: PostRequest): Promise<SendOutcome> {
  const { url, headers, body, signal } = request;
  const client = new Client(url.origin, { connect: onlyThis(socket) });
  try {
    const path = `${url.pathname}${url.search}`;
    const answer = await client.request({ method: "POST", path, headers, body, signal });
    return await readAnswer(answer, request);
  } catch (error) {
    const reason = signal.aborted ? signal.reason : error;
    const message = reason instanceof Error ? reason.message : String(reason);
    return { kind: "unknown", error: `no answer: ${message}` };
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

async function readAnswer(
  { statusCode, headers, body }: Dispatcher.ResponseData,
  { responseBytes, maxRetryAfterMs, now }: PostRequest,
): Promise<SendOutcome> {
  body.on("error", () => undefined);
  const isTaken = statusCode >= 200 && statusCode <= 299;
  const detail = isTaken ? "" : await beginning(body, responseBytes);
  const header = headers["retry-after"];
  const asked = retryAfterMs(Array.isArray(header) ? header[0] : header, now(), maxRetryAfterMs);
  return outcomeOfStatus(statusCode, detail, asked);
}

/** The first words, on one line. What cannot be read is left out: the status is the answer. */
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
  const text = Buffer.concat(chunks).toString("utf8");
  return text
    .replace(/[\p{Cc}\s]+/gu, " ")
    .trim()
    .slice(0, DETAIL_CHARS);
}
