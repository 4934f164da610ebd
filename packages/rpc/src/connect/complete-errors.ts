import { Code, ConnectError, type Interceptor } from "@connectrpc/connect";
import type {
  UniversalHandler,
  UniversalServerRequest,
  UniversalServerResponse,
} from "@connectrpc/connect/protocol";
import {
  codeToHttpStatus,
  errorFromJsonBytes,
  errorToJsonBytes,
} from "@connectrpc/connect/protocol-connect";
import { withReason } from "./connect-error.ts";
import { requestIdOf } from "./open-connect-call.ts";

/** Gives errors of streams (and all of gRPC-Web) their reason, as far as interceptors see them. */
export function reasonInterceptor(readMaxBytes: number): Interceptor {
  return (next) => async (request) => {
    try {
      return await next(request);
    } catch (error) {
      if (!(error instanceof ConnectError)) throw error;
      throw withReason(error, request.method, readMaxBytes);
    }
  };
}

/**
 * Runs a handler of Connect. A unary body that does not parse is answered before interceptors run,
 * so the finished answer is completed: still the same code, with ErrorInfo and the field.
 */
export async function handleCompletely(
  handler: UniversalHandler,
  request: UniversalServerRequest,
  readMaxBytes: number,
): Promise<UniversalServerResponse> {
  const response = await handler(request);
  labelled(response, request);
  if (!isUnaryError(response)) return response;
  const bytes = await readAll(response.body);
  const metadata = new Headers(response.header);
  const fallback = new ConnectError("internal error", Code.Internal);
  const bare = errorFromJsonBytes(bytes, metadata, fallback);
  const error = withReason(bare, handler.method, readMaxBytes);
  if (error === bare) return { ...response, body: once(bytes) };
  const body = errorToJsonBytes(error, {});
  const header = error.metadata;
  header.set("content-length", String(body.byteLength));
  return { ...response, status: codeToHttpStatus(error.code), header, body: once(body) };
}

/** The answer to a unary call that no handler was asked about. */
export function refusedAnswer(
  error: ConnectError,
  request: UniversalServerRequest,
): UniversalServerResponse {
  const body = errorToJsonBytes(error, {});
  const header = new Headers(error.metadata);
  header.set("content-type", "application/json");
  header.set("content-length", String(body.byteLength));
  const response = { status: codeToHttpStatus(error.code), header, body: once(body) };
  labelled(response, request);
  return response;
}

/** Every answer names its request, also one that no handler saw. */
function labelled(response: UniversalServerResponse, request: UniversalServerRequest): void {
  if (response.header?.has("x-request-id") !== false) return;
  response.header.set("x-request-id", requestIdOf(request.header));
}

/** An answer of the Connect protocol to a unary call that failed: JSON, uncompressed when small. */
function isUnaryError(
  response: UniversalServerResponse,
): response is UniversalServerResponse & { body: AsyncIterable<Uint8Array> } {
  return (
    response.status !== 200 &&
    response.body !== undefined &&
    response.header?.get("content-type") === "application/json" &&
    !response.header.has("content-encoding")
  );
}

async function readAll(body: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) chunks.push(chunk);
  return Buffer.concat(chunks);
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
