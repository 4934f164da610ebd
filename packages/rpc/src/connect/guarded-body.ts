import type { ServerResponse } from "node:http";
import type { DescMethod } from "@bufbuild/protobuf";
import type { UniversalServerRequest } from "@connectrpc/connect/protocol";
import { refusedCall } from "../call/refused-call.ts";
import { toConnectError } from "./connect-error.ts";
import { type ConnectGate, HTTP_ANSWER } from "./open-connect-call.ts";

/**
 * What stands before the reading of a request. Connect reads and parses a request before it asks anybody for
 * whom it is, so that without this whoever reaches the port could have the process hold as much as it may of
 * each of any number of them.
 */
export interface BodyGuard {
  /**
   * Whether whoever asks is known at all, and may ask now; of others nothing is read. What is found out can be
   * kept for `authorize` by the answer. @throws UNAUTHENTICATED, RATE_LIMITED
   */
  admit(headers: Headers, answer: ServerResponse | undefined): Promise<void>;
  /** Makes room for so many bytes more. @throws RATE_LIMITED */
  take(bytes: number): void;
  release(bytes: number): void;
}

type Bytes = AsyncIterable<Uint8Array>;

/**
 * Asks the guard about a GET, whose message stands in its address and is parsed at once: there is no body that could
 * be read behind the guard. @throws ConnectError
 */
export async function admitGet(
  gate: Pick<ConnectGate, "hooks">,
  guard: BodyGuard,
  method: DescMethod,
  { header, contextValues }: UniversalServerRequest,
): Promise<void> {
  try {
    await guard.admit(header, contextValues?.get(HTTP_ANSWER));
  } catch (refusal) {
    throw toConnectError(refusedCall(gate, method, refusal, "connect").error);
  }
}

/** The same request, whose body is read behind the guard. */
export function guardedBody(
  gate: Pick<ConnectGate, "hooks">,
  guard: BodyGuard,
  method: DescMethod,
  request: UniversalServerRequest,
): UniversalServerRequest {
  const { body, contextValues, header } = request;
  if (!isBytes(body)) return request;
  const admit = (): Promise<void> => guard.admit(header, contextValues?.get(HTTP_ANSWER));
  const refuse = (refusal: unknown): never => {
    throw toConnectError(refusedCall(gate, method, refusal, "connect").error);
  };
  return { ...request, body: read(guard, admit, body, refuse) };
}

async function* read(
  guard: BodyGuard,
  admit: () => Promise<void>,
  body: Bytes,
  refuse: (refusal: unknown) => never,
): AsyncGenerator<Uint8Array> {
  await admit().catch(refuse);
  let bytes = 0;
  try {
    for await (const chunk of body) {
      take(guard, chunk.length, refuse);
      bytes += chunk.length;
      yield chunk;
    }
  } finally {
    guard.release(bytes);
  }
}

function take(guard: BodyGuard, bytes: number, refuse: (refusal: unknown) => never): void {
  try {
    guard.take(bytes);
  } catch (refusal) {
    refuse(refusal);
  }
}

function isBytes(body: UniversalServerRequest["body"]): body is Bytes {
  return typeof body === "object" && body !== null && Symbol.asyncIterator in body;
}
