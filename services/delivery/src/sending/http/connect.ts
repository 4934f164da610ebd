import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { literalAddress } from "@lanekeeper/addresses";
import { linkedSignal } from "@lanekeeper/service";

/** An open connection, and to which address. */
export interface Pinned {
  readonly socket: Socket;
  readonly address: string;
}

/**
 * An address that has not taken the connection for so long is not waited for alone: many names have one that
 * leads nowhere from here, such as an IPv6 address where there is no IPv6 (RFC 8305, 8).
 */
const NEXT_ADDRESS_MS = 250;

/**
 * Opens a connection for this URL to the first of these addresses that takes it, asked in their order; for
 * https, with the certificate checked against the URL's name. Nothing of a request is sent.
 * @throws Error of the last address, or the signal's reason
 */
export async function connectPinned(
  url: URL,
  addresses: readonly string[],
  signal: AbortSignal,
): Promise<Pinned> {
  signal.throwIfAborted();
  if (addresses.length === 0) throw new Error("no address to connect to");
  const others = linkedSignal(signal);
  try {
    return await firstOf(url, addresses, others.signal);
  } finally {
    others.abort(new Error("another address took the connection"));
    others[Symbol.dispose]();
  }
}

/** The next address is asked when one refuses, or keeps us waiting; those that are late are closed. */
function firstOf(url: URL, addresses: readonly string[], signal: AbortSignal): Promise<Pinned> {
  return new Promise((resolve, reject) => {
    let begun = 0;
    let failed = 0;
    let isOpen = false;
    let patience: NodeJS.Timeout | undefined;
    const next = (): void => {
      clearTimeout(patience);
      const address = addresses[begun];
      if (address === undefined || signal.aborted) return;
      begun += 1;
      patience = setTimeout(next, NEXT_ADDRESS_MS).unref();
      connectTo(url, address, signal).then((socket) => opened({ socket, address }), fail);
    };
    const opened = (pinned: Pinned): void => {
      clearTimeout(patience);
      if (isOpen) pinned.socket.destroy();
      isOpen = true;
      resolve(pinned);
    };
    const fail = (error: unknown): void => {
      failed += 1;
      if (signal.aborted) reject(signal.reason);
      else if (failed === addresses.length) reject(error);
      else next();
    };
    next();
  });
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
