import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import type { Server, ServerCredentials } from "@grpc/grpc-js";

/** Says whose the port is and which variable moves ours; undefined: nothing is known. */
export type ExplainBusyPort = (port: number) => Promise<string | undefined> | string | undefined;

/** The port is in use. The message says what to do. */
export class PortBusyError extends Error {
  override readonly name = "PortBusyError";
  readonly host: string;
  readonly port: number;

  constructor(host: string, port: number, advice: string | undefined) {
    super(`port ${port} on ${host} is in use${advice === undefined ? "" : `: ${advice}`}`);
    this.host = host;
    this.port = port;
  }
}

/** An IPv6 literal stands in brackets in an address. */
export function hostPort(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** A port that connections come in by. */
export interface Entry {
  readonly port: number;
  /** Takes no more connections; those that stand go on. */
  close(): void;
  /** Ends the connections that stand. */
  destroy(): void;
}

export interface ListenOptions {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  readonly maxConnections: number;
  /** A connection over the bound was closed. */
  readonly onConnectionRefused?: (() => void) | undefined;
  readonly explainBusyPort?: ExplainBusyPort | undefined;
}

/**
 * Binds, and hands the connections to the server. grpc-js's own `bindAsync` takes as many as come.
 * @throws PortBusyError
 */
export async function listen(
  server: Server,
  options: ListenOptions,
  credentials: ServerCredentials,
): Promise<Entry> {
  const { host, port, maxConnections, onConnectionRefused = () => {} } = options;
  const injector = server.createConnectionInjector(credentials);
  const sockets = new Set<Socket>();
  const acceptor = createServer((socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    injector.injectConnection(socket);
  });
  acceptor.maxConnections = maxConnections;
  acceptor.on("drop", onConnectionRefused);
  acceptor.listen(port, host);
  try {
    await once(acceptor, "listening");
  } catch (error) {
    injector.destroy();
    if (!String(error).includes("EADDRINUSE")) throw error;
    throw new PortBusyError(host, port, await options.explainBusyPort?.(port));
  }
  // A TCP server's address is a string only for a socket file.
  return {
    port: (acceptor.address() as AddressInfo).port,
    close: () => void acceptor.close(),
    destroy: () => {
      for (const socket of sockets) socket.destroy();
    },
  };
}
