import type { DescMethod } from "@bufbuild/protobuf";
import { Server } from "@grpc/grpc-js";
import type { Authenticator } from "../auth/authenticator.ts";
import { methodName } from "../call/call-context.ts";
import { quietGrpc } from "../grpc-logging.ts";
import type { RpcHooks } from "../telemetry/hooks.ts";
import { serverCredentials, type ServerTls } from "../tls.ts";
import { BuiltinServices } from "./builtin-services.ts";
import type { CallGate } from "./call-gate.ts";
import { grpcService } from "./define.ts";
import { type DrainReport, drainServer } from "./drain.ts";
import { InFlight } from "./in-flight.ts";
import { knownFirst } from "./known-first.ts";
import { DEFAULT_SERVE_LIMITS, serverOptions, type ServeLimits } from "./limits.ts";
import { type ExplainBusyPort, hostPort, listen } from "./listen.ts";
import { pipelinedWrites } from "./pipelined-writes.ts";
import type { AnyServiceBinding } from "./service-binding.ts";

export interface ServeOptions {
  /** Each made by `service({ desc, routes, allow })`. */
  readonly services: readonly AnyServiceBinding[];
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  readonly authenticator: Authenticator;
  readonly limits?: Partial<ServeLimits>;
  readonly hooks?: RpcHooks;
  readonly tls?: ServerTls | undefined;
  readonly explainBusyPort?: ExplainBusyPort;
  /** A connection over `maxConnections` was closed. */
  readonly onConnectionRefused?: () => void;
}

/** A gRPC server that takes calls. */
export interface GrpcServer extends AsyncDisposable {
  readonly host: string;
  readonly port: number;
  /** host:port, as a client's target. */
  readonly address: string;
  /** What health answers, for "" and for every service. True from the start. */
  setServing(serving: boolean): void;
  /** Calls whose handlers have not returned. */
  inFlight(): number;
  /** Ends the server; a second call waits for the first. */
  drain(options?: { readonly timeoutMs?: number }): Promise<DrainReport>;
}

/** Serves the services over gRPC, with health and reflection. @throws PortBusyError */
export async function serveGrpc(options: ServeOptions): Promise<GrpcServer> {
  quietGrpc();
  const limits = { ...DEFAULT_SERVE_LIMITS, ...options.limits };
  const inFlight = new InFlight(limits.maxInFlightCalls);
  const { authenticator, hooks = {} } = options;
  const gate = { authenticator, limits, hooks, inFlight };
  const interceptors = [pipelinedWrites, knownFirst(gate, methodsOf(options.services))];
  const server = new Server({ ...serverOptions(limits), interceptors });
  const builtins = addServices(server, options, gate);
  const { maxConnections } = limits;
  const entry = await listen(
    server,
    { ...options, maxConnections },
    serverCredentials(options.tls),
  );
  let drained: Promise<DrainReport> | undefined;
  const drain: GrpcServer["drain"] = ({ timeoutMs = limits.drainTimeoutMs } = {}) => {
    drained ??= drainServer({ server, entry }, inFlight, builtins, timeoutMs);
    return drained;
  };
  return {
    host: options.host,
    port: entry.port,
    address: hostPort(options.host, entry.port),
    setServing: (serving) => builtins.setServing(serving),
    inFlight: () => inFlight.size,
    drain,
    [Symbol.asyncDispose]: async () => {
      await drain({ timeoutMs: 0 });
    },
  };
}

/** By their paths. */
function methodsOf(services: readonly AnyServiceBinding[]): ReadonlyMap<string, DescMethod> {
  const methods = services.flatMap(({ desc }) => desc.methods);
  return new Map(methods.map((method) => [`/${methodName(method)}`, method]));
}

function addServices(server: Server, options: ServeOptions, gate: CallGate): BuiltinServices {
  for (const binding of options.services) {
    const { definition, implementation } = grpcService(gate, binding);
    server.addService(definition, implementation);
  }
  return new BuiltinServices(
    server,
    options.services.map(({ desc }) => desc),
  );
}
