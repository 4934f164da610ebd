import { type Clock, systemClock } from "@lanekeeper/service";
import OpenAI, { APIConnectionTimeoutError, APIError, APIUserAbortError } from "openai";

import { boundedFetch, type Fetch } from "../http/bounded-fetch.ts";
import { ownOriginFetch } from "../http/own-origin.ts";
import { NotPublicError, publicFetch } from "../http/public-only.ts";
import { shortWaits } from "../http/short-waits.ts";
import { LIMITS } from "../limits.ts";
import type { Model, ModelEvent, ModelRequest } from "./model.ts";
import { ModelError } from "./model-error.ts";
import { ChunkReader } from "./openai-chunks.ts";
import { openAiRequest } from "./openai-request.ts";
import { type Patience, type SilenceGuard, silenceGuard } from "./silence.ts";
import { withoutSecrets } from "./without-secrets.ts";

/** Where an OpenAI-compatible endpoint is and how patient to be with it. */
export interface OpenAiEndpoint {
  readonly baseUrl: string;
  readonly model: string;
  /** Undefined: the endpoint wants no key. */
  readonly apiKey: string | undefined;
  /** It is called at public addresses alone. */
  readonly publicOnly: boolean;
  /**
   * Longest silence, before the first chunk and between chunks. Comments that keep a connection alive are
   * silence; a chunk without text is none: models that think send such for minutes.
   */
  readonly silenceTimeoutMs: number;
}

/** Retries before the first chunk, by the openai package's own rules (408, 409, 429, 5xx, connection). */
const RETRIES_BEFORE_FIRST_CHUNK = 2;

/** Not every endpoint names the type of its stream; an error is no stream, whatever it says. */
const guarded = (fetchOf: Fetch): Fetch =>
  boundedFetch(
    LIMITS.modelMessageBytes,
    shortWaits(LIMITS.modelRetryAfterMs, ownOriginFetch(fetchOf)),
    ({ ok }) => ok,
  );

const anywhere = guarded(fetch);
const publicOnly = guarded(publicFetch);

/** A model behind an endpoint that speaks OpenAI's chat completions. */
export class OpenAiModel implements Model {
  readonly name: string;
  readonly #client: OpenAI;
  readonly #patience: Patience;
  readonly #clock: Clock;
  readonly #secrets: readonly string[];

  constructor(endpoint: OpenAiEndpoint, clock: Clock = systemClock) {
    this.name = endpoint.model;
    this.#patience = { silenceMs: endpoint.silenceTimeoutMs, callMs: LIMITS.modelCallMs };
    this.#clock = clock;
    this.#secrets = endpoint.apiKey === undefined ? [] : [endpoint.apiKey];
    this.#client = new OpenAI({
      baseURL: endpoint.baseUrl,
      // The package insists on a key; endpoints without authentication ignore it.
      apiKey: endpoint.apiKey ?? "none",
      organization: null,
      project: null,
      maxRetries: RETRIES_BEFORE_FIRST_CHUNK,
      // It writes what an endpoint sent to the console as plain text; the error tells what is needed.
      logLevel: "off",
      timeout: endpoint.silenceTimeoutMs,
      fetch: (url, init) =>
        (endpoint.publicOnly ? publicOnly : anywhere)(url as string | URL, init),
    });
  }

  async *stream(request: ModelRequest): AsyncIterable<ModelEvent> {
    const guard = silenceGuard(this.#patience, request.signal, this.#clock);
    const reader = new ChunkReader(this.name);
    let begun = false;
    try {
      const body = openAiRequest(this.name, request);
      const { signal } = guard;
      const asked = this.#client.chat.completions.create(body, { signal });
      // Between two tries the package sees no signal.
      const chunks = await Promise.race([asked, rejectedBy(signal)]);
      begun = true;
      for await (const chunk of chunks) {
        guard.heard();
        const text = reader.text(chunk);
        if (text !== "") yield { type: "text", text };
      }
      this.#checkEnd(guard, request.signal);
      yield* reader.end();
    } catch (error) {
      throw this.#explain(error, { guard, begun, outer: request.signal });
    } finally {
      guard.stop();
    }
  }

  /** The package ends an aborted stream like a finished one. */
  #checkEnd(guard: SilenceGuard, outer: AbortSignal): void {
    if (outer.aborted) throw outer.reason;
    if (guard.tooLate() !== undefined) throw new APIConnectionTimeoutError();
  }

  /** The package waits no longer for an answer's head, and says so itself. */
  #connectedTooLate(error: unknown): string | undefined {
    if (!(error instanceof APIConnectionTimeoutError)) return undefined;
    return `was silent for ${this.#patience.silenceMs} ms`;
  }

  #explain(
    error: unknown,
    seen: { guard: SilenceGuard; begun: boolean; outer: AbortSignal },
  ): unknown {
    if (seen.outer.aborted) return seen.outer.reason;
    if (error instanceof ModelError) return error;
    const options = { cause: error };
    const tooLate = seen.guard.tooLate() ?? this.#connectedTooLate(error);
    if (tooLate !== undefined) {
      return new ModelError("MODEL_TIMEOUT", `the model ${tooLate}`, options);
    }
    if (error instanceof APIUserAbortError) return error;
    const text = withoutSecrets(textOf(error), this.#secrets);
    if (isHttpError(error)) {
      return new ModelError("MODEL_FAILED", `the model endpoint answered ${text}`, options);
    }
    return seen.begun
      ? new ModelError("MODEL_STREAM_CUT", `the model's stream broke off: ${text}`, options)
      : new ModelError("MODEL_FAILED", `the model endpoint could not be reached: ${text}`, options);
  }
}

function rejectedBy(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const abort = () => reject(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
    if (signal.aborted) abort();
  });
}

function textOf(error: unknown): string {
  if (error instanceof Error && error.cause instanceof NotPublicError) return error.cause.message;
  return error instanceof Error ? error.message : String(error);
}

function isHttpError(error: unknown): error is APIError {
  return error instanceof APIError && error.status !== undefined;
}
