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

/** Binds and returns the port. @throws PortBusyError */
export async function listen(
  server: Server,
  where: { readonly host: string; readonly port: number },
  credentials: ServerCredentials,
  explain: ExplainBusyPort | undefined,
): Promise<number> {
  try {
    return await bind(server, hostPort(where.host, where.port), credentials);
  } catch (error) {
    if (!String(error).includes("EADDRINUSE")) throw error;
    throw new PortBusyError(where.host, where.port, await explain?.(where.port));
  }
}

function bind(server: Server, address: string, credentials: ServerCredentials): Promise<number> {
  return new Promise((resolve, reject) => {
    server.bindAsync(address, credentials, (error, port) => {
      if (error === null) resolve(port);
      else reject(error);
    });
  });
}
