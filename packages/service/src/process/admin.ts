import { once } from "node:events";
import { createServer, type RequestListener, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { explainListenError } from "./busy-port.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import { checkReadiness, type Readiness } from "./readiness.ts";
import type { ListenAddress } from "../settings/settings.ts";

export interface AdminOptions {
  readonly listen: ListenAddress;
  readonly metrics: Metrics;
  readonly readiness: () => Readiness | Promise<Readiness>;
  readonly version: VersionInfo;
}

export interface VersionInfo {
  readonly service: string;
  readonly version: string;
  /** The migration that the service was built for. */
  readonly schema: string;
}

export interface AdminServer extends AsyncDisposable {
  /** The port that was bound, also where 0 was asked for. */
  readonly port: number;
}

/** Probes, a scraper and a person or two; more means that something else found the port. */
const MAX_CONNECTIONS = 64;
/** No request has a body, so it is complete at once. */
const REQUEST_TIMEOUT_MS = 5_000;

/**
 * HTTP/1.1 for probes, scrapers and people: `/livez` (200 while the event loop turns; asks nothing
 * else), `/readyz` (200, or 503 with reasons as JSON), `/metrics` (Prometheus text), `/version`.
 * @throws BusyPortError
 */
export async function startAdmin(options: AdminOptions): Promise<AdminServer> {
  const { host, port, variable } = options.listen;
  const server = createServer({ requestTimeout: REQUEST_TIMEOUT_MS }, answer(options));
  server.maxConnections = MAX_CONNECTIONS;
  try {
    server.listen(port, host);
    await once(server, "listening");
  } catch (error) {
    throw await explainListenError(error, port, variable);
  }
  // A TCP server's address is a string only for a socket file.
  const address = server.address() as AddressInfo;
  return { port: address.port, [Symbol.asyncDispose]: () => close(server) };
}

type Page = () => Promise<Answer> | Answer;

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

function answer({ metrics, readiness, version }: AdminOptions): RequestListener {
  const pages: ReadonlyMap<string, Page> = new Map<string, Page>([
    ["/livez", () => json(200, { status: "alive" })],
    ["/readyz", async () => readyAnswer(await checkReadiness(readiness))],
    ["/metrics", () => metricsAnswer(metrics)],
    ["/version", () => json(200, { ...version, node: process.version })],
  ]);
  return (request, response) => {
    const path = (request.url ?? "/").split("?", 1)[0] ?? "/";
    const page = pages.get(path);
    if (request.method !== "GET" && request.method !== "HEAD") return refuseMethod(response);
    if (page === undefined) return send(response, json(404, { paths: [...pages.keys()] }));
    Promise.resolve(page()).then(
      (found) => send(response, found),
      (error: unknown) => send(response, json(500, { error: String(error) })),
    );
  };
}

function readyAnswer(readiness: Readiness): Answer {
  if (readiness.ready) return json(200, { status: "ready" });
  return json(503, { status: "not ready", reasons: readiness.reasons });
}

async function metricsAnswer({ registry }: Metrics): Promise<Answer> {
  return { status: 200, type: registry.contentType, body: await registry.metrics() };
}

function json(status: number, content: object): Answer {
  return { status, type: "application/json; charset=utf-8", body: `${JSON.stringify(content)}\n` };
}

function refuseMethod(response: ServerResponse): void {
  response.setHeader("allow", "GET, HEAD");
  send(response, json(405, { allow: ["GET", "HEAD"] }));
}

function send(response: ServerResponse, { status, type, body }: Answer): void {
  response.writeHead(status, { "content-type": type, "cache-control": "no-store" });
  response.end(body);
}

/** Nothing here is worth waiting for: a scraper that loses its answer comes again. */
async function close(server: Server): Promise<void> {
  if (!server.listening) return;
  const closed = once(server, "close");
  server.close();
  server.closeAllConnections();
  await closed;
}
