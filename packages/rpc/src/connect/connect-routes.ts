import type { DescMessage, DescMethod, DescService, MessageInitShape } from "@bufbuild/protobuf";
import type { ConnectError, HandlerContext } from "@connectrpc/connect";
import { failedAnswer } from "../call/answer.ts";
import { methodName } from "../call/call-context.ts";
import { refusedCall } from "../call/refused-call.ts";
import type { ServerStreamHandler, UnaryHandler } from "../call/routes.ts";
import type { ServerCall } from "../call/server-call.ts";
import { cancelled } from "../serve/deadline.ts";
import { toConnectError } from "./connect-error.ts";
import {
  type Authorize,
  type ConnectGate,
  type OpenConnectCall,
  openConnectCall,
  requestIdOf,
} from "./open-connect-call.ts";
import { refuseUnknownEnums } from "./unknown-enums.ts";

/** One service at the edge: the same routes that gRPC serves, and who may call. */
export interface ConnectService {
  readonly desc: DescService;
  readonly routes: Readonly<Record<string, unknown>>;
  readonly authorize: Authorize;
}

type Response = MessageInitShape<DescMessage>;
type Request = Parameters<UnaryHandler<DescMessage, DescMessage>>[0];

/** The implementation that Connect's router takes for a method; undefined: it is not served here. */
export function connectMethod(gate: ConnectGate, service: ConnectService, method: DescMethod) {
  const handler = service.routes[method.localName];
  if (typeof handler !== "function") return undefined;
  const work = handler.bind(service.routes) as unknown;
  switch (method.methodKind) {
    case "unary":
      return (request: Request, context: HandlerContext) =>
        answer(gate, service, method, context, (call) => {
          refuseUnknownEnums(method.input, request);
          return (work as UnaryHandler<DescMessage, DescMessage>)(request, call);
        });
    case "server_streaming":
      return (request: Request, context: HandlerContext) =>
        stream(gate, service, method, context, (call) => {
          refuseUnknownEnums(method.input, request);
          return (work as ServerStreamHandler<DescMessage, DescMessage>)(request, call);
        });
    default:
      return undefined;
  }
}

async function answer(
  gate: ConnectGate,
  service: ConnectService,
  method: DescMethod,
  context: HandlerContext,
  work: (call: ServerCall) => Promise<Response>,
): Promise<Response> {
  const { call, close } = await open(gate, service, method, context);
  try {
    const response = await orAbort(call, () => work(call));
    call.finish(undefined);
    return response;
  } catch (thrown) {
    throw fail(gate, call, thrown);
  } finally {
    close();
  }
}

/** A stream that just stopped would look like a clean end to the client, so an abort is thrown. */
async function* stream(
  gate: ConnectGate,
  service: ConnectService,
  method: DescMethod,
  context: HandlerContext,
  start: (call: ServerCall) => AsyncIterable<Response>,
): AsyncGenerator<Response> {
  const { call, close } = await open(gate, service, method, context);
  let iterator: AsyncIterator<Response> | undefined;
  try {
    const opened = call.run(() => start(call)[Symbol.asyncIterator]());
    iterator = opened;
    while (true) {
      const next = await orAbort(call, () => opened.next());
      if (next.done) break;
      yield next.value;
    }
    call.finish(undefined);
  } catch (thrown) {
    throw fail(gate, call, thrown);
  } finally {
    call.abort(cancelled()); // the client has left, unless the stream had ended before
    void call.run(() => iterator?.return?.());
    call.finish(call.abortReason);
    close();
  }
}

async function open(
  gate: ConnectGate,
  service: ConnectService,
  method: DescMethod,
  context: HandlerContext,
): Promise<OpenConnectCall> {
  const requestId = requestIdOf(context.requestHeader);
  context.responseHeader.set("x-request-id", requestId);
  try {
    return await openConnectCall(gate, method, context, service.authorize, requestId);
  } catch (refusal) {
    const { error } = refusedCall(gate, method, refusal, "connect");
    throw toConnectError(error, new Headers(context.responseHeader));
  }
}

function fail(gate: ConnectGate, call: ServerCall, thrown: unknown): ConnectError {
  const { error } = failedAnswer(thrown, gate.hooks, methodName(call.method), call);
  call.finish(error);
  return toConnectError(error, { "x-request-id": call.requestId });
}

/** The work's result, or the reason of an abort as soon as there is one. */
function orAbort<T>(call: ServerCall, work: () => Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    call.whenAborted(reject);
    if (call.abortReason === undefined) call.run(work).then(resolve, reject);
  });
}
