import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { errorBody } from "../openai/errors.ts";
import { invalid, LanekeeperError, requestIdOr } from "@lanekeeper/rpc";

/** How a request that is no HTTP, or comes too slowly, is refused. */
const STATUSES: ReadonlyMap<string, readonly [number, string]> = new Map([
  ["HPE_HEADER_OVERFLOW", [431, "Request Header Fields Too Large"]],
  ["ERR_HTTP_REQUEST_TIMEOUT", [408, "Request Timeout"]],
]);

/**
 * Answers what never became a request: Node's own answer has no body, and a client then shows its
 * user nothing.
 */
export function refuseConnection(error: NodeJS.ErrnoException, socket: Duplex): void {
  if (error.code === "ECONNRESET" || !socket.writable) {
    socket.destroy();
    return;
  }
  const [status, phrase] = STATUSES.get(error.code ?? "") ?? [400, "Bad Request"];
  endWith(socket, status, phrase, refusal(status));
}

/** This is no proxy. Node would close the connection without a word. */
export function refuseTunnel(_req: IncomingMessage, socket: Duplex): void {
  socket.on("error", () => socket.destroy());
  const error = invalid("method", "CONNECT is not taken here");
  endWith(socket, 405, "Method Not Allowed", error);
}

function endWith(socket: Duplex, status: number, phrase: string, error: LanekeeperError): void {
  const requestId = requestIdOr(undefined);
  const body = `${JSON.stringify(errorBody(error, { requestId }))}\n`;
  socket.end(
    [
      `HTTP/1.1 ${status} ${phrase}`,
      "content-type: application/json; charset=utf-8",
      `content-length: ${Buffer.byteLength(body)}`,
      `x-request-id: ${requestId}`,
      "x-lane-disposition: rejected",
      // A slow sender is no reason to send the same slowly again.
      "x-should-retry: false",
      "connection: close",
      "",
      body,
    ].join("\r\n"),
  );
}

function refusal(status: number): LanekeeperError {
  if (status === 431) return new LanekeeperError("PAYLOAD_TOO_LARGE", "the headers are too large");
  if (status === 408) return invalid("body", "the request did not arrive in time");
  return invalid("request", "is not well-formed HTTP/1.1");
}
