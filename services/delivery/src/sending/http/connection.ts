import type { Socket } from "node:net";
import { type buildConnector, Client } from "undici";
import { Answering, type HttpAnswer, type HttpRequest } from "./answering.ts";

export interface ConnectionOptions {
  /** How long it may lie idle before it closes itself; a receiver that says less is believed. */
  readonly idleMs: number;
  /** Told after each request, once its answer has been read to the end. */
  readonly onFree: (connection: Connection) => void;
}

const CLOSED_BY_CALLER: ConnectionOptions = { idleMs: 1_000, onFree: () => undefined };

/** HTTP over a connection that is open already, to the address that it was opened to and never another. */
export class Connection {
  readonly origin: string;
  /** As it was resolved and checked. */
  readonly address: string;
  readonly #socket: Socket;
  readonly #client: Client;
  readonly #onFree: () => void;

  constructor(
    { origin }: URL,
    { socket, address }: { readonly socket: Socket; readonly address: string },
    { idleMs, onFree }: ConnectionOptions = CLOSED_BY_CALLER,
  ) {
    this.origin = origin;
    this.address = address;
    this.#socket = socket;
    this.#onFree = () => onFree(this);
    this.#client = new Client(origin, {
      connect: onlyThis(socket),
      keepAliveTimeout: idleMs,
      keepAliveMaxTimeout: idleMs,
      // Each request has a bound of its own.
      headersTimeout: 0,
      bodyTimeout: 0,
    });
  }

  get isOpen(): boolean {
    return !this.#socket.destroyed && this.#socket.readable && this.#socket.writable;
  }

  onClose(closed: () => void): void {
    this.#socket.once("close", closed);
  }

  /**
   * Posts; one request at a time. Redirects are answers like any other.
   * @throws Error where no status came: the request may have been read
   */
  post(request: HttpRequest): Promise<HttpAnswer> {
    const { url, headers, body } = request;
    return new Promise((resolve, reject) => {
      const told = { resolve, reject, ended: this.#onFree };
      const handler = new Answering(request, told);
      const path = `${url.pathname}${url.search}`;
      this.#client.dispatch({ method: "POST", path, headers, body }, handler);
    });
  }

  close(): void {
    this.#socket.destroy();
    this.#client.destroy().catch(() => undefined);
  }
}

/**
 * Never another: a client that connected anew would resolve the name anew. In a later microtask,
 * since undici loses the request if its connector answers before it returns.
 */
function onlyThis(socket: Socket): buildConnector.connector {
  return (_, callback) => {
    queueMicrotask(() => {
      if (socket.destroyed) callback(new Error("the connection was lost"), null);
      else callback(null, socket);
    });
  };
}
