import { outcomeOfStatus } from "../../domain/http-answer.ts";
import { retryAfterMs } from "../../domain/retry-after.ts";
import type { SendOutcome } from "../../domain/send-outcome.ts";
import type { HttpRequest } from "../http/answering.ts";
import type { Connection } from "../http/connection.ts";

export interface PostRequest extends HttpRequest {
  readonly maxRetryAfterMs: number;
  readonly now: () => Date;
}

/** Shown to people with a refusal. */
const DETAIL_CHARS = 200;

/** Without a status in the answer the outcome is unknown: the request may have been read. */
export async function postOver(connection: Connection, request: PostRequest): Promise<SendOutcome> {
  try {
    const { status, retryAfter, body } = await connection.post({
      ...request,
      // What was taken needs no words.
      reads: (code) => code < 200 || code > 299,
    });
    const asked = retryAfterMs(retryAfter, request.now(), request.maxRetryAfterMs);
    return outcomeOfStatus(status, firstWords(body), asked);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return { kind: "unknown", error: `no answer: ${message}` };
  }
}

/** On one line. */
function firstWords(text: string): string {
  return text
    .replace(/[\p{Cc}\s]+/gu, " ")
    .trim()
    .slice(0, DETAIL_CHARS);
}
