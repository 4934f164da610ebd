import { onTestFinished } from "vitest";
import {
  allowAll,
  type CallReport,
  type ClientOptions,
  createGrpcClient,
  type GrpcClient,
  type GrpcServer,
  type InternalErrorReport,
  type Routes,
  serveGrpc,
  service,
  serviceCredential,
  type ServeOptions,
  serviceTokenAuthenticator,
} from "../index.ts";
import { EchoService } from "./gen/lanekeeper/rpctest/v1/echo_service_pb.ts";

export const SECRET = "test-secret-test-secret-test-secret";

export type EchoRoutes = Routes<typeof EchoService>;
export type EchoClient = GrpcClient<typeof EchoService>;

/** Handlers that answer with what they got; tests override one or two. */
export const echoRoutes: EchoRoutes = {
  echo: async (request, call) => ({
    text: request.text,
    tenant: call.tenant,
    principal: call.principal,
    requestId: call.requestId,
  }),
  shout: async (request) => ({ text: request.text.toUpperCase() }),
  async *count(request) {
    for (let index = 0; index < request.count; index += 1) {
      yield { index, payload: new Uint8Array(request.messageBytes) };
    }
  },
  async *chat(requests) {
    for await (const request of requests) yield { text: `re: ${request.text}` };
  },
  async *exchange() {},
};

export interface EchoServer {
  readonly server: GrpcServer;
  readonly reports: CallReport[];
  readonly internal: InternalErrorReport[];
}

type Overrides = Partial<Omit<ServeOptions, "services">> & { routes?: Partial<EchoRoutes> };

/** A real gRPC server on a free port, closed when the test ends. */
export async function startEcho({ routes, ...options }: Overrides = {}): Promise<EchoServer> {
  const reports: CallReport[] = [];
  const internal: InternalErrorReport[] = [];
  const server = await serveGrpc({
    host: "127.0.0.1",
    port: 0,
    authenticator: serviceTokenAuthenticator(SECRET),
    hooks: {
      onCall: (report) => reports.push(report),
      onInternalError: (report) => internal.push(report),
    },
    ...options,
    services: [
      service({
        desc: EchoService,
        routes: { ...echoRoutes, ...routes },
        allow: { ...allowAll(EchoService, "runner", "ingress"), shout: ["runner"] },
        tenantless: ["exchange"],
      }),
    ],
  });
  onTestFinished(async () => {
    await server.drain({ timeoutMs: 0 });
  });
  return { server, reports, internal };
}

/** A client of the runner, of tenant `acme`, closed when the test ends. */
export function echoClient(target: string, options: Partial<ClientOptions> = {}): EchoClient {
  const client = createGrpcClient(EchoService, {
    target,
    credential: serviceCredential("runner", SECRET),
    retry: { initialBackoffMs: 5 },
    ...options,
    defaults: { tenant: "acme", timeoutMs: 5_000, ...options.defaults },
  });
  onTestFinished(() => client.$close());
  return client;
}

/** The error that a promise rejects with; fails if it resolves. */
export async function failure(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    (value) => {
      throw new Error(`resolved with ${String(value)}`);
    },
    (error: unknown) => error,
  );
}

/** A promise to wait on, and what settles it. */
export interface Gate {
  readonly opened: Promise<void>;
  open(): void;
}

export function gate(): Gate {
  let open: () => void = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}

/** Resolves when the signal aborts, with its reason. */
export function aborted(signal: AbortSignal): Promise<unknown> {
  if (signal.aborted) return Promise.resolve(signal.reason);
  return new Promise((resolve) => {
    signal.addEventListener("abort", () => resolve(signal.reason), { once: true });
  });
}

/** All messages of a stream. */
export async function collect<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const message of stream) all.push(message);
  return all;
}
