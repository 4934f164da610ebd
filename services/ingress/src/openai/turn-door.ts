import { type Caller, hasReason } from "@lanekeeper/rpc";
import type { IngressContext } from "../context.ts";
import { requireScope } from "../credentials/scopes.ts";
import type { Exchange } from "../http/exchange.ts";
import { type JsonObject, parseJsonObject, requireJson } from "../http/json-body.ts";
import { readBody } from "../http/read-body.ts";
import type { Route } from "../http/routes.ts";
import { fingerprint } from "../turns/fingerprint.ts";
import { reportCutOff } from "../turns/report-cut-off.ts";
import { type OpenTurn, openTurn } from "../turns/open-turn.ts";
import { sentAs } from "../turns/sent-as.ts";
import type { TurnAsk } from "../turns/turn-ask.ts";
import type { UnsureRequest } from "../turns/unsure-submissions.ts";
import type { AnswerFormat } from "./answer-format.ts";
import type { Asker } from "./asker.ts";
import { fitHistory } from "./fit-history.ts";
import { Leave, watchLeaving } from "./leave.ts";
import { letIn } from "./let-in.ts";
import { plainAnswer } from "./plain-answer.ts";
import { setReceiptHeaders, setSessionHeaders } from "./receipt.ts";
import { isFirstTry } from "./request-options.ts";
import { selectSession } from "./select-session.ts";
import { streamedAnswer } from "./streamed-answer.ts";

/** A request for a turn that may be answered as a stream. */
export interface StreamableAsk extends TurnAsk {
  readonly stream: boolean;
}

/** An API of OpenAI's by which turns are asked for. */
export interface TurnDoor<A extends StreamableAsk> {
  readonly path: string;
  /** What has the messages. */
  readonly messagesField: "messages" | "input";
  /** The body with what it only refers to in its place. @throws INVALID_REQUEST */
  prepare?(asker: Asker, body: JsonObject): Promise<JsonObject>;
  /** @throws INVALID_REQUEST and what else is wrong with the request by itself */
  parse(exchange: Exchange, body: JsonObject, rawKey: string | undefined): A;
  /** What is left to find out about a request that is new. */
  complete?(asker: Asker, ask: A): Promise<TurnAsk>;
  format(exchange: Exchange, ask: A, turn: OpenTurn): AnswerFormat;
}

/** The way of every such request: who asks, what, in which session; then the turn and its answer. */
export function turnRoute<A extends StreamableAsk>(
  context: IngressContext,
  door: TurnDoor<A>,
): Route {
  const handle = (exchange: Exchange) => answerTurn(context, door, exchange);
  return { method: "POST", path: door.path, isLogged: true, handle };
}

async function answerTurn<A extends StreamableAsk>(
  context: IngressContext,
  door: TurnDoor<A>,
  exchange: Exchange,
): Promise<void> {
  const { facts, res } = exchange;
  const cameMs = context.clock.monotonicMs();
  const caller = await letIn(context, exchange, cameMs);
  requireScope(caller, "chat");
  const { ask, body } = await readAsk(context, door, { exchange, caller });
  const { rawKey, agentId, options } = ask;
  if (options.clientRetryCount > 0) facts.clientRetryCount = options.clientRetryCount;
  const content = fingerprint({ route: facts.route, rawKey, agentId, body });
  const report = async (turnId: string): Promise<void> => {
    await reportCutOff(context, turnId, { ...caller, requestId: facts.requestId, within: facts });
  };
  const known = {
    caller,
    sent: sentAs(facts.route, exchange.headers, body),
    firstTryMs: isFirstTry(options) ? cameMs : undefined,
  };
  context.unsure.began(known);
  const leave = new Leave({
    ofSubmission: (key) => context.unsure.cutOff(known, key),
    ofTurn: (turnId) => context.unsure.reporting(known, report(turnId)),
  });
  const forget = watchLeaving(leave, res, context.lastCall);
  try {
    const asked = { fingerprint: content, exchange, ask, body, leave, ...known };
    const turn = await open(context, door, asked);
    const format = door.format(exchange, ask, turn);
    const answer = ask.stream ? streamedAnswer : plainAnswer;
    const tellsQueue = options.wantsBusyHint;
    await answer(context, { exchange, turn, leave, format, tellsQueue });
    if (facts.error?.reason === "WAIT_EXPIRED") await report(turn.turnId);
  } catch (error) {
    // Before it is told: the retry may come at once.
    const { turnId } = facts;
    if (hasReason(error, "WAIT_EXPIRED") && turnId !== undefined) await report(turnId);
    if (turnId === undefined) context.unsure.refused(known);
    throw error;
  } finally {
    forget();
  }
}

async function readAsk<A extends StreamableAsk>(
  context: IngressContext,
  door: TurnDoor<A>,
  { exchange, caller }: { readonly exchange: Exchange; readonly caller: Caller },
): Promise<{ ask: A; body: Buffer }> {
  const { req, headers, facts } = exchange;
  const { limits, bodyBudget } = context;
  requireJson(req.headers["content-type"], req.headers["content-encoding"]);
  const body = await readBody(req, limits.maxBodyBytes, bodyBudget);
  const sent = parseJsonObject(body, limits.maxJsonDepth);
  const rawKey = await selectSession(context.settings, caller, headers, sent);
  // Before the rest is judged, so that the log of a refused request names its session.
  if (rawKey !== undefined) facts.rawKey = rawKey;
  const asker = { caller, requestId: facts.requestId, within: facts };
  const whole = (await door.prepare?.(asker, sent)) ?? sent;
  return { ask: door.parse(exchange, whole, rawKey), body };
}

interface Asked<A> extends UnsureRequest {
  readonly exchange: Exchange;
  readonly ask: A;
  readonly body: Buffer;
  readonly fingerprint: Uint8Array;
  readonly leave: Leave;
}

async function open<A extends StreamableAsk>(
  context: IngressContext,
  door: TurnDoor<A>,
  { exchange, ask, body, caller, sent, firstTryMs, fingerprint, leave }: Asked<A>,
): Promise<OpenTurn> {
  const { res, facts } = exchange;
  const { requestId } = facts;
  const turn = await openTurn(context, {
    ask,
    completed: async () => {
      const whole = (await door.complete?.({ caller, requestId, within: facts }, ask)) ?? ask;
      const came = { field: door.messagesField, bodyBytes: body.length };
      return fitHistory(whole, came, context.limits);
    },
    fingerprint,
    caller,
    sent,
    firstTryMs,
    requestId,
    within: facts,
    signal: leave.signal,
    left: leave.left,
    wholeAnswer: !ask.stream,
    submitting: (madeKey) => leave.submitting(madeKey),
    onSession: (session) => {
      facts.session = session;
      if (!res.headersSent) setSessionHeaders(res, session);
    },
  });
  facts.turnId = turn.turnId;
  facts.disposition = turn.disposition;
  if (turn.session !== undefined) facts.session = turn.session;
  setReceiptHeaders(res, turn);
  leave.accepted(turn.turnId);
  return turn;
}
