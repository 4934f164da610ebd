import type { ServerResponse } from "node:http";
import type { ModelBehaviour, ModelRequest, WantedTool } from "./behaviour.ts";

/** Answers one request of OpenAI's chat completions as the behaviour says. */
export async function writeAnswer(
  request: ModelRequest,
  behaviour: ModelBehaviour,
  response: ServerResponse,
): Promise<void> {
  await behaviour.gate?.opened;
  if (behaviour.status !== undefined) return writeError(behaviour, behaviour.status, response);
  return request.stream
    ? writeStream(request, behaviour, response)
    : writeWhole(request, behaviour, response);
}

function writeError(behaviour: ModelBehaviour, status: number, response: ServerResponse): void {
  response.writeHead(status, { "content-type": "application/json", ...behaviour.headers });
  const message = behaviour.errorMessage ?? `the stand-in was told to fail with ${status}`;
  response.end(JSON.stringify({ error: { message, type: "stand_in", code: null, param: null } }));
}

async function writeStream(
  request: ModelRequest,
  behaviour: ModelBehaviour,
  response: ServerResponse,
): Promise<void> {
  const send = (data: object) => response.write(`data: ${JSON.stringify(data)}\n\n`);
  response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-cache" });
  response.flushHeaders();
  send(chunk(request, { role: "assistant", content: "" }, null));
  for (const [index, text] of piecesOf(request, behaviour).entries()) {
    if (index === behaviour.stallAfter) return;
    if (index === behaviour.cutAfter) return cut(response);
    await behaviour.chunkGates?.[index]?.opened;
    send(chunk(request, { content: text }, null));
  }
  const pieces = piecesOf(request, behaviour).length;
  if (pieces === behaviour.stallAfter) return;
  if (pieces === behaviour.cutAfter) return cut(response);
  await behaviour.chunkGates?.[pieces]?.opened;
  const calls = behaviour.toolCalls ?? [];
  if (calls.length > 0) send(chunk(request, { tool_calls: calls.map(toolCall) }, null));
  send(chunk(request, {}, finishReason(behaviour)));
  send({ ...chunk(request, {}, null), choices: [], usage: usageOf(request, behaviour) });
  response.end("data: [DONE]\n\n");
}

/** Ends the connection in the middle of an answer, after what was written has gone out. */
function cut(response: ServerResponse): void {
  response.socket?.destroySoon();
}

async function writeWhole(
  request: ModelRequest,
  behaviour: ModelBehaviour,
  response: ServerResponse,
): Promise<void> {
  for (const one of Object.values(behaviour.chunkGates ?? {})) await one.opened;
  if (behaviour.stallAfter !== undefined) return;
  if (behaviour.cutAfter !== undefined) return cut(response);
  const calls = behaviour.toolCalls ?? [];
  const content = piecesOf(request, behaviour).join("");
  const message = {
    role: "assistant",
    content,
    ...(calls.length > 0 ? { tool_calls: calls.map(toolCall) } : {}),
  };
  response.writeHead(200, { "content-type": "application/json" });
  response.end(
    JSON.stringify({
      ...head(request, "chat.completion"),
      choices: [{ index: 0, message, finish_reason: finishReason(behaviour), logprobs: null }],
      usage: usageOf(request, behaviour),
    }),
  );
}

function piecesOf(request: ModelRequest, behaviour: ModelBehaviour): readonly string[] {
  if (behaviour.chunks !== undefined) return behaviour.chunks;
  if (behaviour.text !== undefined) return [behaviour.text];
  return (behaviour.toolCalls ?? []).length > 0 ? [] : [`answer ${request.index}`];
}

function head({ index, model }: ModelRequest, object: string) {
  return { id: `chatcmpl-stand-in-${index}`, object, created: 1_700_000_000, model };
}

function chunk(request: ModelRequest, delta: object, finish: string | null) {
  return {
    ...head(request, "chat.completion.chunk"),
    choices: [{ index: 0, delta, finish_reason: finish, logprobs: null }],
  };
}

function toolCall(tool: WantedTool, index: number) {
  const { id, name } = tool;
  return {
    index,
    id,
    type: "function",
    function: { name, arguments: JSON.stringify(tool.arguments) },
  };
}

function finishReason({ finishReason: given, toolCalls = [] }: ModelBehaviour): string {
  return given ?? (toolCalls.length > 0 ? "tool_calls" : "stop");
}

function usageOf({ messages }: ModelRequest, { usage }: ModelBehaviour) {
  const { prompt_tokens, completion_tokens } = usage ?? {
    prompt_tokens: messages.length,
    completion_tokens: 1,
  };
  return { prompt_tokens, completion_tokens, total_tokens: prompt_tokens + completion_tokens };
}
