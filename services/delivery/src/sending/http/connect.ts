import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { literalAddress } from "@lanekeeper/addresses";

/** An open connection, and to which address. */
export interface Pinned {
  readonly socket: Socket;
  readonly address: string;
}

/**
 * Opens a connection for this URL to the first of these addresses that takes it; for https, with the
 * certificate checked against the URL's name. Nothing of a request is sent.
 * @throws Error of the last address, or the signal's reason
 */
export async function connectPinned(
  url: URL,
  addresses: readonly string[],
  signal: AbortSignal,
): Promise<Pinned> {
  let lastError: unknown = new Error("no address to connect to");
  for (const address of addresses) {
    signal.throwIfAborted();
    try {
      return { socket: await connectTo(url, address, signal), address };
    } catch (error) {
      lastError = error;
    }
  }
  signal.throwIfAborted();
  throw lastError;
}

function connectTo(url: URL, address: string, signal: AbortSignal): Promise<Socket> {
  const isTls = url.protocol === "https:";
  const socket = isTls ? openTls(url, address) : openTcp(url, address);
  return new Promise((resolve, reject) => {
    const abort = (): void => {
      socket.destroy();
      reject(signal.reason);
    };
    signal.addEventListener("abort", abort, { once: true });
    socket.once(isTls ? "secureConnect" : "connect", () => {
      signal.removeEventListener("abort", abort);
      resolve(socket);
    });
    // Stays for good: an error that nobody listens to would end the process.
    socket.on("error", (error) => {
      signal.removeEventListener("abort", abort);
      socket.destroy();
      reject(error);
    });
  });
}

function openTcp(url: URL, host: string): Socket {
  return connectTcp({ host, port: portOf(url, 80), noDelay: true });
}

function openTls(url: URL, host: string): Socket {
  // SNI takes names alone (RFC 6066); without one the certificate is checked against the address.
  const servername = literalAddress(url) === undefined ? url.hostname : "";
  return connectTls({ host, servername, port: portOf(url, 443), ALPNProtocols: ["http/1.1"] });
}

function portOf({ port }: URL, byDefault: number): number {
  return port === "" ? byDefault : Number(port);
}
