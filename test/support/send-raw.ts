import { request as httpRequest } from "node:http";

/** What was answered, as it stands. */
export interface Answered {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
}

export interface RawRequest {
  /** Left out: POST. */
  readonly method?: string;
  /** Left out: chat completions. */
  readonly path?: string;
  /** Names and values by turns, without host and length. */
  readonly headers?: readonly string[];
  readonly body?: string | Buffer;
}

/** Sends a request byte for byte: fetch would mend some of what is wrong with these. */
export function sendRaw(baseUrl: string, options: RawRequest): Promise<Answered> {
  const { method = "POST", path = "/v1/chat/completions", headers = [], body = "" } = options;
  const { hostname, port } = new URL(baseUrl);
  const length = ["content-length", String(Buffer.byteLength(body))];
  return new Promise((resolve, reject) => {
    const raw = ["host", hostname, ...headers, ...length];
    const request = httpRequest(
      { hostname, port, method, path, headers: raw as never },
      (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("end", () => {
          const text = Buffer.concat(chunks).toString();
          resolve({ status: response.statusCode ?? 0, headers: response.headers, text });
        });
      },
    );
    request.on("error", reject);
    request.end(body);
  });
}
