import { once } from "node:events";
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { explainListenError, finishWithin, type ListenAddress } from "@lanekeeper/service";
import type { IngressLimits } from "../limits.ts";
import type { IngressMetrics } from "../metrics.ts";
import { refuseConnection, refuseTunnel } from "./refuse-connection.ts";

/** An HTTP server that takes requests. */
export interface HttpServer extends AsyncDisposable {
  readonly port: number;
  /** Takes no new connections; resolves when the requests in progress are answered. */
  drain(): Promise<void>;
}

/** What the server needs. */
export interface HttpServerOptions {
  readonly listen: ListenAddress;
  readonly listener: RequestListener;
  readonly metrics: Pick<IngressMetrics, "connectionRefused">;
  readonly limits: Pick<
    IngressLimits,
    | "headersTimeoutMs"
    | "keepAliveTimeoutMs"
    | "maxConnections"
    | "maxHeaderBytes"
    | "requestTimeoutMs"
    | "timeoutCheckMs"
  >;
}

/** Answers that are being written at the end of a drain get this long to leave the machine. */
const LAST_WORDS_MS = 1_000;

/** @throws BusyPortError */
export async function startHttpServer(options: HttpServerOptions): Promise<HttpServer> {
  const { host, port, variable } = options.listen;
  const server = httpServer(options);
  try {
    server.listen(port, host);
    await once(server, "listening");
  } catch (error) {
    throw await explainListenError(error, port, variable);
  }
  let drained: Promise<void> | undefined;
  const drain = () => (drained ??= closeServer(server));
  return {
    // A TCP server's address is a string only for a socket file.
    port: (server.address() as AddressInfo).port,
    drain,
    [Symbol.asyncDispose]: async () => {
      await finishWithin(LAST_WORDS_MS, drain);
      server.closeAllConnections();
      await drain();
    },
  };
}

function httpServer({ listener, limits, metrics }: HttpServerOptions): Server {
  const server = createServer({
    headersTimeout: limits.headersTimeoutMs,
    requestTimeout: limits.requestTimeoutMs,
    keepAliveTimeout: limits.keepAliveTimeoutMs,
    connectionsCheckingInterval: limits.timeoutCheckMs,
    maxHeaderSize: limits.maxHeaderBytes,
    // Refused by the listener, with a body that says why.
    requireHostHeader: false,
  });
  server.maxConnections = limits.maxConnections;
  server.on("drop", () => metrics.connectionRefused());
  server.on("clientError", refuseConnection);
  server.on("connect", refuseTunnel);
  // What is expected besides 100-continue may be passed over (RFC 9110, 10.1.1).
  server.on("checkExpectation", (req, res) => server.emit("request", req, res));
  server.on("request", (req, res) => {
    // A kept connection would hold a draining server open until its client lets go.
    res.once("close", () => {
      if (!server.listening) setImmediate(() => server.closeIdleConnections());
    });
    if (!server.listening) res.setHeader("connection", "close");
    listener(req, res);
  });
  return server;
}

async function closeServer(server: Server): Promise<void> {
  const closed = once(server, "close");
  server.close();
  await closed;
}
