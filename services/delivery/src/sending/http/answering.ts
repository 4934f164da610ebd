import type { IncomingHttpHeaders } from "node:http";
import type { Dispatcher } from "undici";

export interface HttpRequest {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Buffer;
  /** Cuts it off. */
  readonly signal: AbortSignal;
  /** From the first byte to the end of the answer. */
  readonly timeoutMs: number;
  /** How much of an answer is read; what is longer costs the connection. */
  readonly responseBytes: number;
  /** Whether anybody reads an answer of this status; left out: each is read. */
  readonly reads?: (status: number) => boolean;
}

export interface HttpAnswer {
  readonly status: number;
  readonly retryAfter: string | undefined;
  /** Its beginning, up to the bound; as much as came. Empty where nobody reads it. */
  readonly body: string;
}

interface Told {
  readonly resolve: (answer: HttpAnswer) => void;
  readonly reject: (error: Error) => void;
  /** The answer has been read to its end. */
  readonly ended: () => void;
}

/** What becomes of one request. The status is the answer: what else cannot be read is left out. */
export class Answering implements Dispatcher.DispatchHandler {
  readonly #request: HttpRequest;
  readonly #told: Told;
  readonly #timer: NodeJS.Timeout;
  readonly #chunks: Buffer[] = [];
  #bytes = 0;
  #head: Omit<HttpAnswer, "body"> | undefined;
  #controller: Dispatcher.DispatchController | undefined;
  /** Why it was cut off. */
  #cut: unknown;

  constructor(request: HttpRequest, told: Told) {
    const { signal, timeoutMs } = request;
    this.#request = request;
    this.#told = told;
    const expire = () =>
      this.#abort(new DOMException(`not done within ${timeoutMs} ms`, "TimeoutError"));
    this.#timer = setTimeout(expire, timeoutMs).unref();
    signal.addEventListener("abort", this.#follow, { once: true });
    if (signal.aborted) this.#follow();
  }

  readonly #follow = (): void => this.#abort(this.#request.signal.reason);

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#cut !== undefined) controller.abort(asError(this.#cut));
  }

  onResponseStart(
    _: Dispatcher.DispatchController,
    status: number,
    headers: IncomingHttpHeaders,
  ): void {
    if (status < 200) return;
    const header: string | readonly string[] | undefined = headers["retry-after"];
    this.#head = { status, retryAfter: typeof header === "string" ? header : header?.[0] };
    // Whether it was taken is known: the rest is read so that the connection can be used again.
    if (!this.#isRead(status)) this.#answer();
  }

  onResponseData(_: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#bytes += chunk.length;
    if (this.#isRead(this.#head?.status ?? 0)) this.#chunks.push(chunk);
    if (this.#bytes >= this.#request.responseBytes) this.#abort(new Error("read enough"));
  }

  onResponseEnd(): void {
    this.#over();
    this.#answer();
    this.#told.ended();
  }

  onResponseError(_: Dispatcher.DispatchController, error: Error): void {
    this.#over();
    if (this.#head === undefined) this.#told.reject(asError(this.#cut ?? error));
    else this.#answer();
  }

  #isRead(status: number): boolean {
    return this.#request.reads?.(status) ?? true;
  }

  #answer(): void {
    if (this.#head === undefined) return;
    const read = Buffer.concat(this.#chunks).subarray(0, this.#request.responseBytes);
    this.#told.resolve({ body: read.toString("utf8"), ...this.#head });
  }

  #abort(reason: unknown): void {
    this.#cut ??= reason;
    this.#controller?.abort(asError(reason));
  }

  #over(): void {
    clearTimeout(this.#timer);
    this.#request.signal.removeEventListener("abort", this.#follow);
  }
}

function asError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error(String(reason));
}
