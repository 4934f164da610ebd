import type { Gate } from "../gate.ts";

/** A message as the endpoint was shown it. */
export interface ShownMessage {
  readonly role: string;
  readonly content?: unknown;
  readonly tool_calls?: unknown;
  readonly tool_call_id?: string;
}

/** One request, as it came. */
export interface ModelRequest {
  /** From 0, in the order of arrival. */
  readonly index: number;
  readonly model: string;
  readonly stream: boolean;
  readonly messages: readonly ShownMessage[];
  /** The whole body. */
  readonly body: Readonly<Record<string, unknown>>;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** Resolves when the caller has hung up before the answer was complete. */
  readonly hungUp: Promise<void>;
}

/** A tool that the model wants called. */
export interface WantedTool {
  readonly id: string;
  readonly name: string;
  readonly arguments: Readonly<Record<string, unknown>>;
}

/** How one request is answered. Without anything: a text that names the request's index. */
export interface ModelBehaviour {
  readonly text?: string;
  /** The text in these pieces; a request without `stream` gets them joined. */
  readonly chunks?: readonly string[];
  readonly toolCalls?: readonly WantedTool[];
  readonly finishReason?: string;
  readonly usage?: { readonly prompt_tokens: number; readonly completion_tokens: number };
  /** Nothing is sent before it is open. */
  readonly gate?: Gate;
  /** The gate before the chunk with this index, from 0. */
  readonly chunkGates?: Readonly<Record<number, Gate>>;
  /** An error answer with this HTTP status. */
  readonly status?: number;
  readonly errorMessage?: string;
  /** Of error answers. */
  readonly headers?: Readonly<Record<string, string>>;
  /** After this many chunks nothing more is sent and the connection stays open. */
  readonly stallAfter?: number;
  /** After this many chunks the connection is cut. */
  readonly cutAfter?: number;
}
