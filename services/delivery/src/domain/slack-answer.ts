import type { SendOutcome } from "./send-outcome.ts";

/** Slack could not do it now, and did nothing. */
const LATER = new Set([
  "ratelimited",
  "rate_limited",
  "service_unavailable",
  "team_added_to_org",
  "accesslimited",
]);

/** The token is none of Slack's, or none any more: people mend it, and no reply is to blame. */
const TOKEN_REFUSED = new Set([
  "account_inactive",
  "invalid_auth",
  "not_authed",
  "token_expired",
  "token_revoked",
]);

/** "It's possible some aspect of the operation succeeded before the error was raised." */
const PERHAPS_DONE = new Set(["internal_error", "fatal_error", "request_timeout"]);

/** What Slack said of one call. */
export type SlackAnswer =
  | { readonly kind: "ok"; readonly body: Readonly<Record<string, unknown>> }
  | {
      readonly kind: "no";
      readonly error: string;
      readonly outcome: SendOutcome;
      /** Whatever is asked with this token. */
      readonly isTokenRefused?: boolean;
    };

/**
 * Slack answers 200 with `ok` and `error`, and 429 with Retry-After; other statuses come from what
 * stands before it. Errors that are not known to pass, such as channel_not_found or not_in_channel, are for good;
 * a token that is refused is waited for, as one that is missing is.
 * https://docs.slack.dev/reference/methods/chat.postMessage#errors
 */
export function slackAnswer(
  status: number,
  json: unknown,
  retryAfterMs: number | undefined,
): SlackAnswer {
  const body = typeof json === "object" && json !== null ? { ...json } : {};
  const said: Readonly<Record<string, unknown>> = body;
  if (status === 200 && said["ok"] === true) return { kind: "ok", body: said };
  const error = typeof said["error"] === "string" ? said["error"] : `status ${status}`;
  const text = `Slack answered ${error}`;
  if (status === 429 || LATER.has(error)) return no(error, failed(text, retryAfterMs));
  if (TOKEN_REFUSED.has(error)) {
    return { ...no(error, failed(text, undefined)), isTokenRefused: true };
  }
  if (PERHAPS_DONE.has(error) || said["error"] === undefined) {
    return no(error, { kind: "unknown", error: text });
  }
  return no(error, { kind: "refused", error: withNeeded(text, said) });
}

function no(error: string, outcome: SendOutcome) {
  return { kind: "no" as const, error, outcome };
}

function failed(error: string, retryAfterMs: number | undefined): SendOutcome {
  return { kind: "failed", error, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) };
}

/** `missing_scope` tells which one. */
function withNeeded(text: string, said: Readonly<Record<string, unknown>>): string {
  const { needed } = said;
  return typeof needed === "string" && needed !== "" ? `${text}: ${needed}` : text;
}
