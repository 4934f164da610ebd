import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import {
  applyCors,
  type ConnectHandler,
  type CorsOptions,
  invalid,
  LanekeeperError,
  requestIdOr,
} from "@lanekeeper/rpc";
import { activeTraceId, type Clock, type Log, turnLog, withSpan } from "@lanekeeper/service";
import type { IngressMetrics } from "../metrics.ts";
import { errorAnswer } from "../openai/errors.ts";
import type { RequestEntry } from "../request-log/entry.ts";
import { requestEntry } from "../request-log/entry.ts";
import { answerError } from "./answer-error.ts";
import { type RequestFacts, sendJson } from "./exchange.ts";
import { type Match, matchRoute, type Route } from "./routes.ts";
import { readSingleHeaders } from "./single-headers.ts";

/** What stands behind the HTTP port. */
export interface HttpApp {
  readonly routes: readonly Route[];
  /** Asked first; what is none of its paths goes to the routes. It has spans and metrics of its own. */
  readonly connect: Pick<ConnectHandler, "handle">;
  readonly cors: CorsOptions;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: IngressMetrics;
  readonly requestLog: { add(entry: RequestEntry): void };
}

/** The client left before its answer was complete; as nginx logs it. */
const CLIENT_LEFT = 499;

/** Serves every request within one span, and tells log, metrics and request log what became of it. */
export function requestListener(app: HttpApp): RequestListener {
  return (req, res) => {
    if (app.cors.allowedOrigins.length > 0 && applyCors(req, res, app.cors)) return;
    if (app.connect.handle(req, res)) return;
    const match = matchRoute(app.routes, req.method ?? "", pathOf(req));
    const route = `${req.method} ${routeName(match)}`;
    const attributes = { "http.request.method": req.method ?? "", "http.route": routeName(match) };
    const parent = traceparentOf(req);
    void withSpan(route, attributes, () => serve(app, match, route, req, res), {
      parent,
      kind: "server",
    });
  };
}

async function serve(
  app: HttpApp,
  match: Match,
  route: string,
  req: IncomingMessage,
  res: ServerResponse,
): Promise<void> {
  const startedMs = app.clock.monotonicMs();
  const closed = new Promise<void>((resolve) => {
    res.once("close", resolve);
  });
  const facts: RequestFacts = {
    requestId: requestIdOr(textHeader(req, "x-request-id")),
    route,
    createTime: app.clock.now(),
    traceId: activeTraceId() ?? "",
  };
  res.setHeader("x-request-id", facts.requestId);
  try {
    await dispatch(match, facts, req, res);
  } catch (error) {
    if (isLogged(match) && facts.turnId === undefined) reject(res, facts);
    answerError(res, facts, error, (errorId, err) =>
      app.log.error({ err, error_id: errorId, request_id: facts.requestId }, "internal error"),
    );
  }
  await closed;
  const status = res.writableFinished ? res.statusCode : CLIENT_LEFT;
  report(app, match, facts, status, (app.clock.monotonicMs() - startedMs) / 1_000);
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
      throw new LanekeeperError("NOT_FOUND", `there is nothing at ${req.method} ${pathOf(req)}`);
  }
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
  if (!res.headersSent) res.setHeader("x-lane-disposition", "rejected");
}

function report(
  { log, metrics, requestLog, clock }: HttpApp,
  match: Match,
  facts: RequestFacts,
  status: number,
  seconds: number,
): void {
  const { route, error, caller, session } = facts;
  const reason = error?.reason ?? "";
  metrics.request({ route, status, reason }, seconds);
  if (isLogged(match)) requestLog.add(requestEntry(facts, status, clock.now()));
  turnLog(log, {
    tenant: caller?.tenant,
    principal: caller?.principal,
    raw_key: facts.rawKey,
    session_key: session?.sessionKey,
    session_id: session?.sessionId,
    generation: session?.generation,
    turn_id: facts.turnId,
    run_id: facts.runId,
    request_id: facts.requestId,
    disposition: facts.disposition,
  }).info({ route, status, reason, duration_ms: Math.round(seconds * 1_000) }, "request");
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

function traceparentOf(req: IncomingMessage): string | undefined {
  return textHeader(req, "traceparent");
}

function textHeader(req: IncomingMessage, name: string): string | undefined {
  const value = req.headers[name];
  return typeof value === "string" ? value : undefined;
}
