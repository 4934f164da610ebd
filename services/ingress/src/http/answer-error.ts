import type { ServerResponse } from "node:http";
import type { OnInternalError } from "@lanekeeper/rpc";
import { asLanekeeperError, errorAnswer } from "../openai/errors.ts";
import { type RequestFacts, sendJson } from "./exchange.ts";

/**
 * Answers a request that failed, in OpenAI's shape at every door: whoever reads our errors reads one
 * shape. A client that has left is told nothing, and its leaving is no error of the request.
 */
export function answerError(
  res: ServerResponse,
  facts: RequestFacts,
  thrown: unknown,
  onInternal: OnInternalError,
): void {
  if (res.destroyed) return;
  const error = asLanekeeperError(thrown, onInternal);
  facts.error = error;
  const { requestId, turnId } = facts;
  const { status, headers, body } = errorAnswer(error, { requestId, turnId });
  if (res.headersSent) {
    res.destroy();
    return;
  }
  for (const [name, value] of Object.entries(headers)) res.setHeader(name, value);
  sendJson(res, status, body);
}
