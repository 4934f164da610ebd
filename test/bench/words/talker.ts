// A model in a process of its own that says one word after another, at an even pace. Each word is the time at which
// it was said, so that whoever hears it knows how late that is.
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { serveJobs } from "../shared/worker.ts";
import { wordNow } from "./word.ts";

/** How it speaks from then on. */
export interface TalkJob {
  readonly words: number;
  readonly everyMs: number;
}

let job: TalkJob = { words: 0, everyMs: 1 };

const server = createServer((request, response) => {
  request.resume().once("end", () => talk(response));
});

function talk(response: ServerResponse): void {
  response.writeHead(200, { "content-type": "text/event-stream" });
  let left = job.words;
  const timer = setInterval(() => {
    left -= 1;
    if (left >= 0) return void response.write(event({ delta: { content: wordNow() } }));
    clearInterval(timer);
    response.end(`${event({ delta: {}, finish_reason: "stop" })}data: [DONE]\n\n`);
  }, job.everyMs);
  response.once("close", () => clearInterval(timer));
}

function event(choice: object): string {
  const chunk = {
    ...{ id: "chatcmpl-1", object: "chat.completion.chunk", created: 0, model: "talker" },
    choices: [{ index: 0, finish_reason: null, ...choice }],
  };
  return `data: ${JSON.stringify(chunk)}\n\n`;
}

server.listen(0, "127.0.0.1", () => {
  const { port } = server.address() as AddressInfo;
  serveJobs({
    hello: `http://127.0.0.1:${port}/v1`,
    run: async (asked: TalkJob) => {
      job = asked;
    },
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  });
});
