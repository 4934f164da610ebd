import type { SendOutcome } from "./send-outcome.ts";

/** Client errors that speak of the moment, not of the message: RFC 9110, RFC 8470, RFC 6585. */
const LATER = new Set([408, 425, 429]);

/**
 * What a receiver's status means. 2xx: taken. 408, 425, 429 and 5xx: asking again may help. Everything
 * else is for good, redirects too: they are not followed, since the new address was never checked.
 * @param detail the beginning of the answer's body, for people
 */
export function outcomeOfStatus(
  status: number,
  detail: string,
  retryAfterMs: number | undefined,
): SendOutcome {
  if (status >= 200 && status <= 299) return { kind: "sent", providerMessageId: "" };
  const error = `the receiver answered ${status}${detail === "" ? "" : `: ${detail}`}`;
  if (status < 500 && !LATER.has(status)) return { kind: "refused", error };
  return { kind: "failed", error, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) };
}
