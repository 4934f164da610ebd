import type { ServerResponse } from "node:http";
import type { DescMethod } from "@bufbuild/protobuf";
import type { UniversalServerRequest } from "@connectrpc/connect/protocol";
import { refusedCall } from "../call/refused-call.ts";
import { BodyRoom, isPacked, type RoomGiver, UNPACKED } from "./body-room.ts";
import { toConnectError } from "./connect-error.ts";
import { type ConnectGate, HTTP_ANSWER } from "./open-connect-call.ts";

/**
 * What stands before the reading of a request. Connect reads and parses a request before it asks anybody for
 * whom it is, so that without this whoever reaches the port could have the process hold as much as it may of
 * each of any number of them.
 */
export interface BodyGuard extends RoomGiver {
  /**
   * Whether whoever asks is known at all, and may ask now; of others nothing is read. What is found out can be
   * kept for `authorize` by the answer. @throws UNAUTHENTICATED, RATE_LIMITED
   */
  admit(headers: Headers, answer: ServerResponse | undefined): Promise<void>;
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

/**
 * The same request, whose body is read behind the guard. The room of a packed one is held until it has been
 * unpacked and parsed: a few hundred bytes become megabytes.
 */
export function guardedBody(
  gate: Pick<ConnectGate, "hooks" | "limits">,
  guard: BodyGuard,
  method: DescMethod,
  request: UniversalServerRequest,
): UniversalServerRequest {
  const { body, contextValues, header } = request;
  if (!isBytes(body)) return request;
  const answer = contextValues?.get(HTTP_ANSWER);
  const isHeld = isPacked(header);
  const room = new BodyRoom(guard, isHeld ? gate.limits.readMaxBytes : undefined);
  const release = (): void => room.release();
  contextValues?.set(UNPACKED, release);
  if (isHeld) answer?.once("close", release);
  const refuse = (refusal: unknown): never => {
    throw toConnectError(refusedCall(gate, method, refusal, "connect").error);
  };
  return {
    ...request,
    body: read(() => guard.admit(header, answer), body, { room, isHeld }, refuse),
  };
}

async function* read(
  admit: () => Promise<void>,
  body: Bytes,
  { room, isHeld }: { readonly room: BodyRoom; readonly isHeld: boolean },
  refuse: (refusal: unknown) => never,
): AsyncGenerator<Uint8Array> {
  await admit().catch(refuse);
  try {
    for await (const chunk of body) {
      add(room, chunk.length, refuse);
      yield chunk;
    }
  } catch (error) {
    room.release();
    throw error;
  } finally {
    if (!isHeld) room.release();
  }
}

function add(room: BodyRoom, bytes: number, refuse: (refusal: unknown) => never): void {
  try {
    room.add(bytes);
  } catch (refusal) {
    refuse(refusal);
  }
}

function isBytes(body: UniversalServerRequest["body"]): body is Bytes {
  return typeof body === "object" && body !== null && Symbol.asyncIterator in body;
}
