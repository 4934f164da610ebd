import { request } from "node:http";
import type { TestIngress } from "./test-ingress.ts";

/** An answer, read to its end. */
export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
  /** Undefined where the text is no JSON. */
  readonly json: unknown;
}

export interface Ask {
  readonly method?: string;
  readonly path?: string;
  /** A list stands for a header that is repeated. */
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  /** An object is sent as JSON. */
  readonly body?: object | string | Buffer;
  readonly signal?: AbortSignal;
}

/** The least that a chat completion needs. */
export const HELLO = { model: "lanekeeper", messages: [{ role: "user", content: "Hi" }] };

/** Sends a request as it is written here: nothing is joined, retried or followed. */
export function ask(lane: TestIngress, what: Ask = {}): Promise<Answer> {
  const { method = "POST", path = "/v1/chat/completions", body = HELLO, signal } = what;
  const bytes = typeof body === "string" || Buffer.isBuffer(body) ? body : JSON.stringify(body);
  const headers = {
    authorization: `Bearer ${lane.apiKey}`,
    "content-type": "application/json",
    ...what.headers,
  };
  return new Promise((resolve, reject) => {
    const req = request(`${lane.url}${path}`, {
      method,
      headers: headers as Record<string, string | string[]>,
      ...(signal === undefined ? {} : { signal }),
    });
    req.once("error", reject);
    req.once("response", (res) => {
      const chunks: Buffer[] = [];
      res.on("data", (chunk: Buffer) => chunks.push(chunk));
      res.once("error", reject);
      res.once("end", () => {
        const text = Buffer.concat(chunks).toString("utf8");
        resolve({ status: res.statusCode ?? 0, headers: res.headers, text, json: parsed(text) });
      });
    });
    req.end(method === "GET" || method === "HEAD" ? undefined : bytes);
  });
}

/** The `data:` events of a stream, parsed; a comment as the string that it is. */
export function events(text: string): unknown[] {
  return text
    .split("\n\n")
    .filter((block) => block !== "")
    .map((block) => (block.startsWith("data: ") ? parsedOr(block.slice(6)) : block));
}

function parsedOr(text: string): unknown {
  return parsed(text) ?? text;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
