import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { eventually } from "../eventually.ts";
import { bodyOf, startStandIn } from "../http-stand-in.ts";
import type { ModelBehaviour, ModelRequest, ShownMessage } from "./behaviour.ts";
import { writeAnswer } from "./write-answer.ts";

type Decide = ModelBehaviour | ((request: ModelRequest) => ModelBehaviour);

/** A stand-in for an OpenAI-compatible endpoint. Disposal cuts what it still serves. */
export interface ModelServer extends AsyncDisposable {
  /** For LANEKEEPER_MODEL_BASE_URL, with `/v1`. */
  readonly baseUrl: string;
  /** Everything that it was shown, in order of arrival. */
  readonly requests: readonly ModelRequest[];
  /** How requests are answered from now on, unless `next` says otherwise. */
  always(behaviour: Decide): void;
  /** How the next request that nothing was said about is answered; repeats line up. */
  next(behaviour: Decide): void;
  /** The request with this index (from 0), once it has come. */
  request(index: number, timeoutMs?: number): Promise<ModelRequest>;
}

export interface ModelServerOptions {
  /** Nothing is kept of what it was shown: for runs of hours. */
  readonly forgets?: boolean;
}

/** Starts at a free port of loopback. Knows `POST /v1/chat/completions` and `GET /v1/models`. */
export async function startModelServer(
  first: Decide = {},
  { forgets = false }: ModelServerOptions = {},
): Promise<ModelServer> {
  const requests: ModelRequest[] = [];
  const queue: Decide[] = [];
  let usual = first;
  let arrived = 0;
  const handle = async (incoming: IncomingMessage, response: ServerResponse) => {
    if (incoming.method === "GET") return listModels(response);
    const body = JSON.parse(await bodyOf(incoming)) as Record<string, unknown>;
    const request = shown(body, incoming, response, arrived);
    arrived += 1;
    if (!forgets) requests.push(request);
    const decide = queue.shift() ?? usual;
    await writeAnswer(request, typeof decide === "function" ? decide(request) : decide, response);
  };
  const { origin, [Symbol.asyncDispose]: dispose } = await startStandIn(handle);
  return {
    baseUrl: `${origin}/v1`,
    requests,
    always: (behaviour) => void (usual = behaviour),
    next: (behaviour) => void queue.push(behaviour),
    request: (index, timeoutMs) =>
      eventually(() => requests[index], { timeoutMs, what: `model request ${index}` }),
    [Symbol.asyncDispose]: dispose,
  };
}

function shown(
  body: Record<string, unknown>,
  { headers }: IncomingMessage,
  response: ServerResponse,
  index: number,
): ModelRequest {
  return {
    index,
    model: String(body["model"]),
    stream: body["stream"] === true,
    messages: (body["messages"] ?? []) as readonly ShownMessage[],
    body,
    headers,
    hungUp: untilHungUp(response),
  };
}

async function untilHungUp(response: ServerResponse): Promise<void> {
  await once(response, "close");
  // An answer that was complete is no hang-up: then this never resolves.
  if (response.writableFinished) await new Promise<never>(() => undefined);
}

function listModels(response: ServerResponse): void {
  response.writeHead(200, { "content-type": "application/json" });
  response.end(JSON.stringify({ object: "list", data: [{ id: "stand-in", object: "model" }] }));
}
