import type { Calls, ToldTurn } from "../history/calls.ts";
import { RefusedRequest } from "../history/judge-error.ts";
import { boundedSignal } from "./bounded-signal.ts";

type Ask = Calls["turn"]["ask"];

export interface HttpChat {
  readonly baseUrl: string;
  readonly apiKey: string;
  readonly timeoutMs: number;
  /** An answer as it is written, read a piece at a time with a pause before each. */
  readonly stream: { readonly pauseMs: number } | undefined;
}

/** One chat completion over HTTP, as any OpenAI client would ask for it. */
export async function chat(how: HttpChat, ask: Ask): Promise<ToldTurn> {
  using bounded = boundedSignal(how.timeoutMs);
  const response = await fetch(`${how.baseUrl}/v1/chat/completions`, {
    method: "POST",
    headers: {
      authorization: `Bearer ${how.apiKey}`,
      "content-type": "application/json",
      "x-session-key": ask.name,
      "idempotency-key": ask.idempotency,
    },
    body: JSON.stringify({
      model: "lanekeeper",
      stream: how.stream !== undefined,
      messages: [{ role: "user", content: ask.text }],
    }),
    signal: bounded.signal,
  });
  const text =
    how.stream === undefined ? await response.text() : await slowly(response, how.stream);
  return response.ok && how.stream !== undefined ? streamed(text) : whole(response, text);
}

interface Receipt {
  readonly session_key: string;
  readonly session_id: string;
  readonly generation: number;
  readonly turn_id: string;
}

interface Body {
  readonly choices?: readonly {
    readonly message?: { readonly content?: string };
    readonly delta?: { readonly content?: string };
  }[];
  readonly lanekeeper?: Receipt;
  readonly error?: ErrorBody;
}

interface ErrorBody {
  readonly code?: string;
  readonly message?: string;
  readonly lanekeeper?: Readonly<Record<string, unknown>>;
}

function whole(response: Response, text: string): ToldTurn {
  const body = JSON.parse(text) as Body;
  if (body.error !== undefined) throw refusal(body.error);
  if (!response.ok || body.lanekeeper === undefined) throw new Error(`HTTP ${response.status}`);
  return told(body.lanekeeper, body.choices?.[0]?.message?.content ?? "");
}

/** The chunk with finish_reason has the receipt; without one the stream was cut. */
function streamed(text: string): ToldTurn {
  const lines = text.split("\n").filter((line) => line.startsWith("data: {"));
  const chunks = lines.map((line) => JSON.parse(line.slice("data: ".length)) as Body);
  const failed = chunks.find(({ error }) => error !== undefined)?.error;
  if (failed !== undefined) throw refusal(failed);
  const last = chunks.findLast(({ lanekeeper, choices = [] }) => {
    return lanekeeper !== undefined && choices.some((choice) => "finish_reason" in choice);
  });
  if (last?.lanekeeper === undefined) throw new Error("the stream was cut");
  return told(
    last.lanekeeper,
    chunks.map(({ choices = [] }) => choices[0]?.delta?.content ?? "").join(""),
  );
}

function told(receipt: Receipt, reply: string): ToldTurn {
  const { session_key: key, session_id: sessionId, generation, turn_id: turnId } = receipt;
  return { turnId, key, sessionId, generation, state: "COMPLETED", reply };
}

function refusal({ code = "INTERNAL", message = "", lanekeeper = {} }: ErrorBody): RefusedRequest {
  const metadata = Object.fromEntries(
    Object.entries(lanekeeper).map(([name, value]) => [name, String(value)]),
  );
  return new RefusedRequest({ reason: code, metadata }, `${code}: ${message}`);
}

async function slowly(response: Response, { pauseMs }: { pauseMs: number }): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const piece of response.body ?? []) {
    text += decoder.decode(piece as Uint8Array, { stream: true });
    if (pauseMs > 0) await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
  return text;
}
