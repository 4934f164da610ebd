import type { IncomingMessage, ServerResponse } from "node:http";
import type { DescMethod } from "@bufbuild/protobuf";
import { MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import {
  Code,
  type ConnectRouter,
  ConnectError,
  createConnectRouter,
  createContextValues,
} from "@connectrpc/connect";
import {
  compressionGzip,
  universalRequestFromNodeRequest,
  universalResponseToNodeResponse,
} from "@connectrpc/connect-node";
import type { UniversalHandler, UniversalServerRequest } from "@connectrpc/connect/protocol";
import { draining } from "../errors/constructors.ts";
import { within } from "../serve/drain.ts";
import { InFlight } from "../serve/in-flight.ts";
import { boundTimeouts } from "../metadata/timeout.ts";
import type { RpcHooks } from "../telemetry/hooks.ts";
import { handleCompletely, reasonInterceptor, refusedAnswer } from "./complete-errors.ts";
import { type ConnectLimits, DEFAULT_CONNECT_LIMITS } from "./connect-limits.ts";
import { connectMethod, type ConnectService } from "./connect-routes.ts";
import { admitGet, type BodyGuard, guardedBody } from "./guarded-body.ts";
import { type ConnectGate, HTTP_ANSWER } from "./open-connect-call.ts";
import { jsonRegistry } from "./json-registry.ts";
import { UNREAD, type Unread, whileRead } from "./while-read.ts";

export interface ConnectHandlerOptions {
  /** Unary and server-streaming methods are served; bidirectional ones need gRPC. */
  readonly services: readonly ConnectService[];
  readonly limits?: Partial<ConnectLimits>;
  readonly hooks?: RpcHooks;
  /** Left out: whoever asks, all is read. */
  readonly bodies?: BodyGuard;
}

/** Serves Connect and gRPC-Web for a server of node:http. */
export interface ConnectHandler {
  /** True if the request's path is one of an RPC: it is answered. False: nothing was done. */
  handle(request: IncomingMessage, response: ServerResponse): boolean;
  inFlight(): number;
  /** New calls get DRAINING, streams end, calls finish; returns how many had to be cut off. */
  drain(options?: { readonly timeoutMs?: number }): Promise<{ readonly cutOff: number }>;
}

/**
 * The Connect door. JSON is strict: an unknown field, enum name or enum number is refused, since by
 * Connect's default a misspelt `expectedGeneration` would be no precondition at all.
 */
export function connectHandler(options: ConnectHandlerOptions): ConnectHandler {
  const limits = { ...DEFAULT_CONNECT_LIMITS, ...options.limits };
  const inFlight = new InFlight(limits.maxInFlightCalls);
  const { bodies, hooks = {} } = options;
  const gate = { limits, inFlight, hooks };
  const paths = handlersByPath(gate, options.services);
  const guarded: Reading["guarded"] = async (method, asked) => {
    if (bodies === undefined) return asked;
    if (isMessageGet(method, asked)) await admitGet(gate, bodies, method, asked);
    return guardedBody(gate, bodies, method, asked);
  };
  return {
    handle: (request, response) => {
      const handler = paths.get(request.url?.split("?", 1)[0] ?? "");
      if (handler === undefined) return false;
      void serve(handler, request, response, { guarded, limits });
      return true;
    },
    inFlight: () => inFlight.size,
    drain: async ({ timeoutMs = limits.drainTimeoutMs } = {}) => {
      inFlight.startDraining();
      await within(inFlight.idle(), timeoutMs);
      const cutOff = inFlight.size;
      inFlight.abortAll(draining());
      return { cutOff };
    },
  };
}

function handlersByPath(
  gate: ConnectGate,
  services: readonly ConnectService[],
): Map<string, UniversalHandler> {
  const { readMaxBytes } = gate.limits;
  const router = createConnectRouter({
    grpc: false,
    jsonOptions: {
      ignoreUnknownFields: false,
      registry: jsonRegistry(services.map(({ desc }) => desc)),
    },
    readMaxBytes,
    acceptCompression: [compressionGzip],
    interceptors: [reasonInterceptor(readMaxBytes)],
  });
  for (const service of services) addService(gate, router, service);
  return new Map(router.handlers.map((handler) => [handler.requestPath, handler]));
}

function addService(gate: ConnectGate, router: ConnectRouter, service: ConnectService): void {
  for (const method of service.desc.methods) {
    const implementation = connectMethod(gate, service, method);
    if (implementation !== undefined) router.rpc(method, implementation as never);
  }
}

/** How requests are read. */
interface Reading {
  /** @throws ConnectError for what is refused unread */
  readonly guarded: (
    method: DescMethod,
    asked: UniversalServerRequest,
  ) => Promise<UniversalServerRequest>;
  readonly limits: Pick<ConnectLimits, "readMaxBytes" | "slowConsumerMs">;
}

/** Others are refused for their method, unread. */
function isMessageGet({ idempotency }: DescMethod, { method }: UniversalServerRequest): boolean {
  return method === "GET" && idempotency === MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS;
}

/** Never rejects: a connection that breaks has nobody left to be told. */
async function serve(
  handler: UniversalHandler,
  request: IncomingMessage,
  response: ServerResponse,
  { guarded, limits: { readMaxBytes, slowConsumerMs } }: Reading,
): Promise<void> {
  try {
    const unread: Unread = { tell: () => undefined };
    const values = createContextValues().set(HTTP_ANSWER, response).set(UNREAD, unread);
    const universal = universalRequestFromNodeRequest(request, response, undefined, values);
    boundTimeouts(universal.header);
    const answer = await guarded(handler.method, universal).then(
      (asked) => handleCompletely(handler, asked, readMaxBytes),
      (refusal: unknown) => refusedAnswer(ConnectError.from(refusal), universal),
    );
    const read = whileRead(answer, response, slowConsumerMs, unread);
    await universalResponseToNodeResponse(read, response);
  } catch (error) {
    if (ConnectError.from(error).code === Code.Aborted || response.headersSent) response.destroy();
    else response.writeHead(400).end();
  }
}
