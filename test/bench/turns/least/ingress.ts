// The door alone: a request is read, its key resolved, its turn waited for, and the answer written.
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { callLines } from "../../shared/least/lines.ts";
import { serveJobs } from "../../shared/worker.ts";
import type { Asked, Step, Stood } from "./calls.ts";

const port = (name: string): number => Number(process.env[name]);
const identity = callLines<Step, Stood>(port("BENCH_IDENTITY_PORT"));
const runner = callLines<Asked, string>(port("BENCH_RUNNER_PORT"));

interface Body {
  readonly model: string;
  readonly messages: readonly { readonly role: string; readonly content: string }[];
}

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const key = String(request.headers["x-session-key"]);
  const body = JSON.parse(await textOf(request)) as Body;
  const stood = await identity.call({ kind: "resolve", key });
  if (typeof stood === "boolean") throw new Error("a name was answered with a verdict");
  const id = randomUUID();
  const { session, generation } = stood;
  const text = body.messages.at(-1)?.content ?? "";
  const content = await runner.call({ id, key, session, generation, text });
  response.setHeader("content-type", "application/json");
  response.setHeader("x-turn-id", id);
  const message = { role: "assistant", content };
  const choices = [{ index: 0, message, finish_reason: "stop" }];
  response.end(JSON.stringify({ id, object: "chat.completion", model: body.model, choices }));
}

async function textOf(request: IncomingMessage): Promise<string> {
  let text = "";
  request.setEncoding("utf8");
  for await (const chunk of request) text += String(chunk);
  return text;
}

const server = createServer((request, response) => {
  answer(request, response).catch((error: unknown) => {
    response.statusCode = 500;
    response.end(String(error));
  });
});
server.listen(0, "127.0.0.1");
await once(server, "listening");
serveJobs({
  hello: (server.address() as AddressInfo).port,
  run: () => Promise.resolve(undefined),
  close: () => {
    server.closeAllConnections();
    server.close();
    identity.close();
    runner.close();
  },
});
