import type { SendOutcome } from "./send-outcome.ts";

/** What Telegram said of one call. */
export type TelegramAnswer =
  | { readonly kind: "ok"; readonly result: unknown }
  | { readonly kind: "no"; readonly description: string; readonly outcome: SendOutcome };

/**
 * The Bot API answers `ok`, and else `error_code` and `description`; 429 says in
 * `parameters.retry_after`, in seconds, when to ask again. 4xx are for good: the chat is gone, the bot
 * was blocked, the token is none. One of them tells in `parameters.migrate_to_chat_id` which supergroup the
 * chat has become. 5xx do not tell whether it was done.
 * https://core.telegram.org/bots/api#making-requests
 */
export function telegramAnswer(
  status: number,
  json: unknown,
  retryAfterMs: number | undefined,
  maxRetryAfterMs: number,
): TelegramAnswer {
  const said = recordOf(json);
  if (status === 200 && said["ok"] === true) return { kind: "ok", result: said["result"] };
  const code = typeof said["error_code"] === "number" ? said["error_code"] : status;
  const description = typeof said["description"] === "string" ? said["description"] : "";
  const error = `Telegram answered ${code}${description === "" ? "" : `: ${description}`}`;
  const parameters = recordOf(said["parameters"]);
  const movedTo = code === 400 ? parameters["migrate_to_chat_id"] : undefined;
  const moved = Number.isSafeInteger(movedTo) ? { movedTo: String(movedTo) } : {};
  return { kind: "no", description, outcome: outcomeOf() };

  function outcomeOf(): SendOutcome {
    if (code === 429) {
      const seconds = parameters["retry_after"];
      const asked = typeof seconds === "number" ? seconds * 1_000 : (retryAfterMs ?? 0);
      const bounded = Math.min(maxRetryAfterMs, Math.max(0, asked));
      return { kind: "failed", error, retryAfterMs: bounded };
    }
    const isPerhapsDone = code < 400 || code >= 500;
    return isPerhapsDone ? { kind: "unknown", error } : { kind: "refused", error, ...moved };
  }
}

function recordOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? { ...value } : {};
}
