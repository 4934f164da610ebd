import type { Caller } from "@lanekeeper/rpc";
import type { IngressContext } from "../context.ts";
import { requireScope } from "../credentials/scopes.ts";
import type { Exchange } from "../http/exchange.ts";
import { parseJsonObject, requireJson } from "../http/json-body.ts";
import { readBody } from "../http/read-body.ts";
import type { Route } from "../http/routes.ts";
import { fingerprint } from "../turns/fingerprint.ts";
import { type OpenTurn, openTurn } from "../turns/open-turn.ts";
import { Leave, watchLeaving } from "./leave.ts";
import { type ChatRequest, parseChatRequest } from "./parse-chat-request.ts";
import { plainAnswer } from "./plain-answer.ts";
import { setReceiptHeaders, setSessionHeaders } from "./receipt.ts";
import { selectSessionKey } from "./session-key.ts";
import { streamedAnswer } from "./streamed-answer.ts";

/** `POST /v1/chat/completions`: https://platform.openai.com/docs/api-reference/chat/create */
export function chatCompletionsRoute(context: IngressContext): Route {
  return {
    method: "POST",
    path: "/v1/chat/completions",
    isLogged: true,
    handle: (exchange) => chatCompletion(context, exchange),
  };
}

async function chatCompletion(context: IngressContext, exchange: Exchange): Promise<void> {
  const { facts, headers, res } = exchange;
  const caller = await context.credentials.authenticate(headers.get("authorization"));
  facts.caller = caller;
  requireScope(caller, "chat");
  const { chat, body } = await readChatRequest(context, exchange);
  const leave = new Leave();
  const forget = watchLeaving(leave, res, context.lastCall);
  try {
    const turn = await open(context, exchange, { chat, body, caller, leave });
    const answer = chat.stream ? streamedAnswer : plainAnswer;
    await answer(context, { exchange, chat, turn, leave });
  } finally {
    forget();
  }
}

async function readChatRequest(
  { limits, bodyBudget }: IngressContext,
  { req, headers, facts }: Exchange,
): Promise<{ chat: ChatRequest; body: Buffer }> {
  requireJson(req.headers["content-type"], req.headers["content-encoding"]);
  const body = await readBody(req, limits.maxBodyBytes, bodyBudget);
  const json = parseJsonObject(body, limits.maxJsonDepth);
  const rawKey = selectSessionKey(headers, json["metadata"]);
  // Before the rest is judged, so that the log of a refused request names its session.
  if (rawKey !== undefined) facts.rawKey = rawKey;
  return { chat: parseChatRequest(headers, json, rawKey, limits), body };
}

interface Asked {
  readonly chat: ChatRequest;
  readonly body: Buffer;
  readonly caller: Caller;
  readonly leave: Leave;
}

async function open(
  context: IngressContext,
  { res, facts }: Exchange,
  { chat, body, caller, leave }: Asked,
): Promise<OpenTurn> {
  const { rawKey, agentId } = chat;
  const turn = await openTurn(context, {
    chat,
    fingerprint: fingerprint({ route: facts.route, rawKey, agentId, body }),
    caller,
    requestId: facts.requestId,
    signal: leave.signal,
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
