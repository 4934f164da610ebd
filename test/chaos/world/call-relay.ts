import { type ClientHttp2Stream, constants, type ServerHttp2Stream } from "node:http2";
import type { IncomingHttpHeaders } from "node:http2";

/** All that a caller asks, up to its end. @throws when it goes before */
export async function wholeRequest(stream: ServerHttp2Stream): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of stream) pieces.push(piece as Buffer);
  return Buffer.concat(pieces);
}

/** Hands an answer on as it comes, with its trailers; `of` may change what passes. */
export function relayAnswer(
  answer: ClientHttp2Stream,
  stream: ServerHttp2Stream,
  of: (bytes: Buffer) => Buffer = (bytes) => bytes,
): void {
  let trailers: IncomingHttpHeaders = {};
  answer.on("response", (headers, flags) => {
    if (stream.destroyed || stream.headersSent) return;
    const isAll = (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0;
    stream.respond(headers, isAll ? { endStream: true } : { waitForTrailers: true });
  });
  answer.on("trailers", (told) => (trailers = told));
  stream.on("wantTrailers", () => stream.sendTrailers(trailers));
  answer.on("data", (bytes: Buffer) => {
    const passed = of(bytes);
    if (passed.length > 0 && !stream.destroyed && !stream.writableEnded) stream.write(passed);
  });
  answer.on("end", () => {
    if (!stream.destroyed && !stream.writableEnded) stream.end();
  });
  answer.on("error", () => undefined);
  answer.on("close", () => {
    if (answer.rstCode !== constants.NGHTTP2_NO_ERROR) stream.close(answer.rstCode);
  });
  stream.on("close", () => answer.close(constants.NGHTTP2_CANCEL));
}

/** Resolves when the call has been answered, or will not be. */
export function swallow(answer: ClientHttp2Stream): Promise<void> {
  answer.resume();
  answer.on("error", () => undefined);
  return new Promise((resolve) => answer.once("close", resolve));
}

/** The caller is told that the connection was lost, or nothing at all. */
export function answerLost(stream: ServerHttp2Stream, isTold: boolean): void {
  if (!isTold || stream.destroyed) return;
  const unavailable = { "grpc-status": "14", "grpc-message": "lost on its way" };
  const headers = { ":status": 200, "content-type": "application/grpc", ...unavailable };
  stream.respond(headers, { endStream: true });
}
