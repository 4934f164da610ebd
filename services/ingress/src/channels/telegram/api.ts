import { isObject, type JsonObject } from "../../http/json-body.ts";
import { fetchBytes, readUpTo } from "../fetch-bytes.ts";

/** As delivery has it: a mistake of the other side must not silence a bot for days. */
const MAX_RETRY_AFTER_MS = 60 * 60_000;

/** Why a method of the Bot API gave nothing. */
export interface TelegramRefusal {
  /** As Telegram says it; 0 where nobody answered. */
  readonly code: number;
  readonly description: string;
  /** Telegram's `retry_after`, in milliseconds. */
  readonly retryAfterMs: number | undefined;
}

export type TelegramResult = { readonly result: unknown } | { readonly refusal: TelegramRefusal };

/** Telegram's Bot API, as one bot calls it. The token is part of the URL: no URL may stand in an error. */
export class TelegramApi {
  readonly #baseUrl: URL;
  readonly #token: string;

  /** @param baseUrl ends with a slash */
  constructor(baseUrl: URL, token: string) {
    this.#baseUrl = baseUrl;
    this.#token = token;
  }

  async call(method: string, fields: object, signal: AbortSignal): Promise<TelegramResult> {
    try {
      const answer = await fetch(new URL(`./bot${this.#token}/${method}`, this.#baseUrl), {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(fields),
        redirect: "error",
        signal,
      });
      return resultOf(answer.status, await jsonOf(answer));
    } catch (error) {
      return refused(0, `Telegram's API gave no answer (${whyOf(error)})`);
    }
  }

  /** The bytes of a file; undefined where they cannot be had. */
  async file(
    fileId: string,
    maxBytes: number,
    signal: AbortSignal,
  ): Promise<Uint8Array | undefined> {
    const ask = () => this.call("getFile", { file_id: fileId }, signal);
    const first = await ask();
    // Once more, as for the bytes.
    const got = hasFailed(first) && !signal.aborted ? await ask() : first;
    const path = "result" in got && isObject(got.result) ? got.result["file_path"] : undefined;
    if (typeof path !== "string" || !/^[\w./-]+$/.test(path) || path.includes(".."))
      return undefined;
    const url = new URL(`./file/bot${this.#token}/${path}`, this.#baseUrl);
    return fetchBytes({ url, maxBytes, signal });
  }
}

/** Nobody answered, or Telegram had a failure of its own. */
function hasFailed(got: TelegramResult): boolean {
  return "refusal" in got && (got.refusal.code === 0 || got.refusal.code >= 500);
}

/** A hundred updates at a time; messages have 4,096 characters, and what Telegram tells about them. */
const MAX_ANSWER_BYTES = 16 * 1024 * 1024;

/** Undefined where it has none, or more than an answer of the API can have. */
async function jsonOf({ body }: Response): Promise<unknown> {
  const bytes = body === null ? undefined : await readUpTo(body, MAX_ANSWER_BYTES);
  return bytes === undefined ? undefined : JSON.parse(Buffer.from(bytes).toString("utf8"));
}

/** https://core.telegram.org/bots/api#making-requests */
function resultOf(status: number, answer: unknown): TelegramResult {
  if (!isObject(answer)) return refused(status, "Telegram's API gave no answer of its own");
  if (answer["ok"] === true) return { result: answer["result"] };
  const description = typeof answer["description"] === "string" ? answer["description"] : "";
  return refused(status, description, retryAfterOf(answer["parameters"]));
}

function retryAfterOf(parameters: unknown): number | undefined {
  const seconds = isObject(parameters) ? parameters["retry_after"] : undefined;
  if (typeof seconds !== "number") return undefined;
  return Math.min(Math.max(0, seconds * 1_000), MAX_RETRY_AFTER_MS);
}

function refused(code: number, description: string, retryAfterMs?: number): TelegramResult {
  return { refusal: { code, description, retryAfterMs } };
}

/** Such as ECONNREFUSED. Not the error's text, which may have the URL in it. */
function whyOf(error: unknown): string {
  if (!(error instanceof Error)) return "Error";
  const { cause } = error as { readonly cause?: { readonly code?: unknown } };
  return typeof cause?.code === "string" ? cause.code : error.name;
}

/** The part of an object that is one; an empty one where it is not. */
export function objectAt(parent: JsonObject, name: string): JsonObject {
  const value = parent[name];
  return isObject(value) ? value : {};
}
