// Callers in a process of their own, each hearing one streamed answer after another, with the `openai` package.
import { setTimeout as sleep } from "node:timers/promises";
import OpenAI from "openai";
import { quantilesOf } from "../shared/ratios.ts";
import { serveJobs } from "../shared/worker.ts";
import { latenessOf } from "./word.ts";

/** So many answers for each caller, one after another. Models do not speak in step: the callers begin within `spreadMs`. */
export interface HearJob {
  readonly callers: number;
  readonly answers: number;
  readonly spreadMs: number;
}

/** What was heard. Lateness in milliseconds. */
export interface Heard {
  readonly words: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

const client = new OpenAI({
  baseURL: process.env["BENCH_URL"] ?? "",
  apiKey: process.env["BENCH_API_KEY"] ?? "none",
  maxRetries: 0,
});

async function hear({ callers, answers, spreadMs }: HearJob): Promise<Heard> {
  const late: number[] = [];
  const all = Array.from({ length: callers }, async (_, caller) => {
    await sleep((caller * spreadMs) / callers);
    for (let answer = 0; answer < answers; answer += 1) await hearOne(`words-${caller}`, late);
  });
  await Promise.all(all);
  const at = quantilesOf(late);
  return { words: late.length, p50Ms: at(0.5), p99Ms: at(0.99) };
}

async function hearOne(sessionKey: string, late: number[]): Promise<void> {
  const messages = [{ role: "user" as const, content: "Say on." }];
  const body = { model: "lanekeeper", stream: true as const, messages };
  const chunks = await client.chat.completions.create(body, {
    headers: { "x-session-key": sessionKey },
  });
  for await (const { choices } of chunks) late.push(...latenessOf(choices[0]?.delta.content ?? ""));
}

serveJobs({ hello: "ready", run: hear, close: () => undefined });
