import type { SendOutcome } from "./send-outcome.ts";

/** What Telegram said of one call. */
export type TelegramAnswer =
  | { readonly kind: "ok"; readonly result: unknown }
  | {
      readonly kind: "no";
      readonly description: string;
      readonly outcome: SendOutcome;
      /** Whatever is asked with this token. */
      readonly isTokenRefused?: boolean;
    };

/**
 * The Bot API answers `ok`, and else `error_code` and `description`; 429 says in
 * `parameters.retry_after`, in seconds, when to ask again. 4xx are for good: the chat is gone, the bot
 * was blocked. One of them tells in `parameters.migrate_to_chat_id` which supergroup the chat has become. Two say
 * that the token is none: people mend it, and no reply is to blame. 5xx do not tell whether it was done. A 4xx
 * without words of Telegram's comes from what stands before it, which has passed nothing on and may let the next
 * through; but not what is too large for it.
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
  const isTelegrams = said["ok"] === false;
  const isTokenRefused = isTelegrams && (code === 401 || code === 404);
  return {
    kind: "no",
    description,
    outcome: outcomeOf(),
    ...(isTokenRefused && { isTokenRefused }),
  };

  function outcomeOf(): SendOutcome {
    if (code === 429) {
      const seconds = parameters["retry_after"];
      const asked = typeof seconds === "number" ? seconds * 1_000 : (retryAfterMs ?? 0);
      const bounded = Math.min(maxRetryAfterMs, Math.max(0, asked));
      return { kind: "failed", error, retryAfterMs: bounded };
    }
    if (isTokenRefused) return { kind: "failed", error };
    const isPerhapsDone = code < 400 || code >= 500;
    if (!isTelegrams && !isPerhapsDone && code !== 413) return { kind: "failed", error };
    return isPerhapsDone ? { kind: "unknown", error } : { kind: "refused", error, ...moved };
  }
}

function recordOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? { ...value } : {};
}
