import type { DeliveryClient } from "@lanekeeper/client";
import { DeliveryService } from "@lanekeeper/protocol/lanekeeper/delivery/v1/delivery_service";
import { draining } from "@lanekeeper/rpc";
import { type Clock, inTrace, type Log } from "@lanekeeper/service";
import { authorizeMethod } from "../connect/permissions.ts";
import type { Credential } from "../credentials/credential.ts";
import type { Entrance } from "../credentials/entrance.ts";
import { StandingCheck } from "../credentials/standing-check.ts";
import { admit } from "../http/admit.ts";
import type { Exchange } from "../http/exchange.ts";
import type { Route } from "../http/routes.ts";
import { EventStream } from "../http/sse.ts";
import type { IngressLimits } from "../limits.ts";
import type { IngressMetrics } from "../metrics.ts";
import { asLanekeeperError, errorBody } from "../openai/errors.ts";
import { followEvents } from "./follow-events.ts";
import { eventsQuestion, inSubscribersWords } from "./question.ts";
import { showEvent } from "./show-event.ts";

export interface EventsDeps {
  readonly credentials: Pick<Entrance, "authenticate" | "hold" | "recheck">;
  readonly delivery: Pick<DeliveryClient, "watchSessions">;
  readonly clock: Clock;
  readonly log: Log;
  readonly limits: IngressLimits;
  readonly metrics: Pick<IngressMetrics, "streamOpened">;
  /** Aborted when a drain begins: streams end, and go on at another replica. */
  readonly draining: AbortSignal;
}

/**
 * `GET /lanekeeper/v1/events`: states of sessions and lanes as server-sent events, for the credential's
 * tenant and within its agents and key prefixes; `Last-Event-ID` goes on. The first message comes
 * before the status, so that what is refused has the status of its reason.
 */
export function eventsRoute(deps: EventsDeps): Route {
  return {
    method: "GET",
    path: "/lanekeeper/v1/events",
    handle: (exchange) => serve(deps, exchange),
  };
}

async function serve(deps: EventsDeps, exchange: Exchange): Promise<void> {
  const { req, res, headers, facts } = exchange;
  const caller = await admit(deps, exchange);
  authorizeMethod(caller, DeliveryService.method.watchSessions);
  const question = eventsQuestion(req.url ?? "/", headers);
  const ending = endOf(deps, exchange, caller);
  try {
    const { requestId } = facts;
    const call = { ...caller, requestId, within: facts };
    const messages = followEvents(deps, question, call, ending.signal);
    const first = await messages.next();
    if (first.done === true || req.method === "HEAD") return void res.end();
    await write(deps, exchange, first.value, messages);
  } catch (error) {
    throw inSubscribersWords(error);
  } finally {
    ending.release();
  }
}

type Messages = ReturnType<typeof followEvents>;
type Message = Messages extends AsyncGenerator<infer T> ? T : never;

async function write(
  deps: EventsDeps,
  { res, facts }: Exchange,
  first: Message,
  rest: Messages,
): Promise<void> {
  const closed = deps.metrics.streamOpened();
  const stream = new EventStream(res, { ...deps.limits, clock: deps.clock });
  try {
    await emit(stream, first);
    for await (const message of rest) await emit(stream, message);
  } catch (thrown) {
    if (res.destroyed) return;
    const error = asLanekeeperError(thrown, (errorId, err) =>
      inTrace(deps.log, facts.traceparent).error(
        { err, error_id: errorId, request_id: facts.requestId },
        "internal error",
      ),
    );
    facts.error = error;
    await stream.emit({ name: "error", id: "", data: errorBody(error, facts) });
    stream.end();
  } finally {
    await rest.return(undefined);
    stream.close();
    closed();
  }
}

async function emit(stream: EventStream, message: Message): Promise<void> {
  const event = showEvent(message);
  if (event !== undefined) await stream.emit(event);
}

interface Ending {
  readonly signal: AbortSignal;
  release(): void;
}

/** The stream ends with its reader, with a drain, and with the credential that it was opened with. */
function endOf(deps: EventsDeps, { res }: Exchange, credential: Credential): Ending {
  const { draining: drains } = deps;
  const ended = new AbortController();
  const leave = (): void => ended.abort(new Error("the client left"));
  const drain = (): void => ended.abort(draining());
  const standing = new StandingCheck(deps, credential);
  standing.onRefused((error) => ended.abort(error));
  res.once("close", leave);
  drains.addEventListener("abort", drain, { once: true });
  if (drains.aborted) drain();
  return {
    signal: ended.signal,
    release: () => {
      standing[Symbol.dispose]();
      res.off("close", leave);
      drains.removeEventListener("abort", drain);
      ended.abort(new Error("the stream is over"));
    },
  };
}
