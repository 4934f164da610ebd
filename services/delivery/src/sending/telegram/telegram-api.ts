import type { Secret } from "@lanekeeper/service";
import { type TelegramAnswer, telegramAnswer } from "../../domain/telegram-answer.ts";
import { type ApiDeps, callApi } from "../http/api.ts";

export interface TelegramDeps extends ApiDeps {
  /** Ends with a slash; https://api.telegram.org/ unless configured. */
  readonly baseUrl: URL;
}

/** One method of the Bot API. */
export interface TelegramCall {
  readonly method: string;
  readonly token: Secret;
  readonly body: { readonly contentType: string; readonly bytes: string | Buffer };
  readonly signal: AbortSignal;
  readonly beforeSend?: () => Promise<void>;
}

export function jsonBody(fields: object): TelegramCall["body"] {
  return { contentType: "application/json", bytes: JSON.stringify(fields) };
}

/** A form with a file (RFC 7578). */
export async function formBody(
  fields: Readonly<Record<string, string>>,
  file: { readonly field: string; readonly blob: Blob; readonly fileName: string },
): Promise<TelegramCall["body"]> {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) form.append(name, value);
  form.append(file.field, file.blob, file.fileName);
  const encoded = new Response(form);
  const contentType = encoded.headers.get("content-type") ?? "";
  return { contentType, bytes: Buffer.from(await encoded.arrayBuffer()) };
}

/** The token is part of the URL, so no URL may stand in an error. */
export async function callTelegram(
  deps: TelegramDeps,
  { method, token, body, signal, beforeSend }: TelegramCall,
): Promise<TelegramAnswer> {
  const answer = await callApi(deps, {
    // "./", since what stands before the token's colon would be taken for a scheme.
    url: new URL(`./bot${token.reveal()}/${method}`, deps.baseUrl),
    headers: { "content-type": body.contentType },
    body: body.bytes,
    signal,
    ...(beforeSend === undefined ? {} : { beforeSend }),
  });
  switch (answer.kind) {
    case "answered":
      return telegramAnswer(
        answer.status,
        answer.json,
        answer.retryAfterMs,
        deps.limits.retryAfterMs,
      );
    case "no_connection":
      return { kind: "no", description: "", outcome: { kind: "failed", error: answer.error } };
    case "no_answer":
      return { kind: "no", description: "", outcome: { kind: "unknown", error: answer.error } };
  }
}
