import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import {
  applyCors,
  type ConnectHandler,
  type CorsOptions,
  invalid,
  LanekeeperError,
  requestIdOr,
} from "@lanekeeper/rpc";
import { type Clock, inTrace, type Log, traceparentOf, withSpan } from "@lanekeeper/service";
import type { IngressMetrics } from "../metrics.ts";
import { errorAnswer } from "../openai/errors.ts";
import type { RequestEntry } from "../request-log/entry.ts";
import { requestEntry } from "../request-log/entry.ts";
import { answerError } from "./answer-error.ts";
import { type RequestFacts, sendJson } from "./exchange.ts";
import { setDisposition, tellDisposition } from "./lane-disposition.ts";
import { finalStatus, logRpc, reportRequest } from "./report.ts";
import { RequestGate } from "./request-gate.ts";
import { type Match, matchRoute, type Route } from "./routes.ts";
import { readSingleHeaders, requireOneHost } from "./single-headers.ts";
import type { Visits } from "./visits.ts";

/** What stands behind the HTTP port. */
export interface HttpApp {
  readonly routes: readonly Route[];
  /** Asked first; what is none of its paths goes to the routes. It has spans and metrics of its own. */
  readonly connect: Pick<ConnectHandler, "handle">;
  readonly cors: CorsOptions;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: IngressMetrics;
  readonly maxRequestsInFlight: number;
  readonly visits: Pick<Visits, "began" | "ended">;
  readonly requestLog: { add(entry: RequestEntry): void };
}

type Span = Parameters<Parameters<typeof withSpan>[2]>[0];

/** Serves every request within one span, and tells log, metrics and request log what became of it. */
export function requestListener(app: HttpApp): RequestListener {
  const gate = new RequestGate(app.maxRequestsInFlight);
  return (req, res) => {
    const requestId = requestIdOr(textHeader(req, "x-request-id"));
    // Connect reads the label here too, so that there is one.
    req.headers["x-request-id"] = requestId;
    res.setHeader("x-request-id", requestId);
    tellDisposition(res);
    gate.enter(res);
    if (app.cors.allowedOrigins.length > 0 && applyCors(req, res, app.cors)) return;
    if (hasSoundHeaders(req) && app.connect.handle(req, res)) {
      logRpc(app, req, res, { requestId, traceparent: textHeader(req, "traceparent") });
      return;
    }
    void respond(app, gate, requestId, req, res);
  };
}

/** What is repeated or missing is refused at every door alike, by the way of the routes. */
function hasSoundHeaders(req: IncomingMessage): boolean {
  try {
    requireOneHost(req);
    readSingleHeaders(req.rawHeaders);
    return true;
  } catch {
    return false;
  }
}

/** Never rejects. */
async function respond(
  app: HttpApp,
  gate: RequestGate,
  requestId: string,
  req: IncomingMessage,
  res: ServerResponse,
): Promise<void> {
  const parent = textHeader(req, "traceparent");
  let traceparent = parent;
  app.visits.began();
  try {
    const match = matchRoute(app.routes, req.method ?? "", pathOf(req));
    const route = `${req.method} ${routeName(match)}`;
    const attributes = { "http.request.method": req.method ?? "", "http.route": routeName(match) };
    const answer = (span: Span) => {
      traceparent = traceparentOf(span);
      return serve(app, { gate, match, route, requestId, span }, req, res);
    };
    await withSpan(route, attributes, answer, { parent, kind: "server" });
  } catch (err) {
    const log = inTrace(app.log, traceparent);
    log.error({ err, request_id: requestId }, "a request could not be answered");
    res.destroy();
  } finally {
    app.visits.ended();
  }
}

/** One request as it is served. */
interface Visit {
  readonly gate: RequestGate;
  readonly match: Match;
  readonly route: string;
  readonly requestId: string;
  readonly span: Span;
}

async function serve(
  app: HttpApp,
  visit: Visit,
  req: IncomingMessage,
  res: ServerResponse,
): Promise<void> {
  const { match, route, requestId } = visit;
  const startedMs = app.clock.monotonicMs();
  const closed = untilClosed(res);
  const traceparent = traceparentOf(visit.span);
  const facts: RequestFacts = { requestId, route, createTime: app.clock.now(), traceparent };
  try {
    visit.gate.check();
    requireOneHost(req);
    await dispatch(match, facts, req, res);
  } catch (error) {
    if (isLogged(match) && facts.turnId === undefined) reject(res, facts);
    answerError(res, facts, error, (errorId, err) =>
      inTrace(app.log, traceparent).error(
        { err, error_id: errorId, request_id: facts.requestId },
        "internal error",
      ),
    );
  }
  await closed;
  const status = finalStatus(res);
  visit.span.setAttribute("http.response.status_code", status);
  if (facts.error !== undefined) visit.span.setAttribute("error.type", facts.error.reason);
  if (isLogged(match)) keep(app, facts, status);
  reportRequest(app, facts, status, (app.clock.monotonicMs() - startedMs) / 1_000);
}

/**
 * Requests without a known credential stand in the process' log alone: they belong to no tenant who
 * could list them, and anybody could fill the table with them. Nor is kept what was over a limit, which
 * is there to keep such work away.
 */
function keep({ requestLog, clock }: HttpApp, facts: RequestFacts, status: number): void {
  if (facts.caller === undefined || facts.error?.reason === "RATE_LIMITED") return;
  requestLog.add(requestEntry(facts, status, clock.now()));
}

function untilClosed(res: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    res.once("close", resolve);
  });
}

async function dispatch(
  match: Match,
  facts: RequestFacts,
  req: IncomingMessage,
  res: ServerResponse,
): Promise<void> {
  const headers = readSingleHeaders(req.rawHeaders);
  switch (match.kind) {
    case "route":
      return match.route.handle({ req, res, headers, rest: match.rest, facts });
    case "method":
      return refuseMethod(match.allowed, facts, req, res);
    case "none":
      throw nothingThere(req, match.meant);
  }
}

function nothingThere(req: IncomingMessage, meant: string | undefined): LanekeeperError {
  const hint = meant === undefined ? "" : `, but at ${meant}: a base URL ends in one /v1`;
  const message = `there is nothing at ${req.method} ${pathOf(req)}${hint}`;
  return new LanekeeperError("NOT_FOUND", message);
}

/** No reason of the table stands for HTTP's 405. */
function refuseMethod(
  allowed: readonly string[],
  facts: RequestFacts,
  req: IncomingMessage,
  res: ServerResponse,
): void {
  const error = invalid("method", `${req.method} is not taken here, ${allowed.join(" and ")} is`);
  facts.error = error;
  res.setHeader("allow", allowed.join(", "));
  const { headers, body } = errorAnswer(error, facts);
  for (const [name, value] of Object.entries(headers)) res.setHeader(name, value);
  sendJson(res, 405, body);
}

function reject(res: ServerResponse, facts: RequestFacts): void {
  facts.disposition = "rejected";
  setDisposition(res, "rejected");
}

function isLogged(match: Match): boolean {
  return match.kind === "route" && match.route.isLogged === true;
}

/** Paths that lead nowhere are not named: metrics must have few distinct labels. */
function routeName(match: Match): string {
  if (match.kind === "none") return "(none)";
  return match.kind === "route" ? match.route.path : match.path;
}

function pathOf(req: IncomingMessage): string {
  return (req.url ?? "/").split("?", 1)[0] ?? "/";
}

function textHeader(req: IncomingMessage, name: string): string | undefined {
  const value = req.headers[name];
  return typeof value === "string" ? value : undefined;
}
