// The callers, in a process of their own: HTTP clients that keep their connections.
import { Pool } from "undici";
import { serveJobs } from "../../shared/worker.ts";
import { closedLoop, keyOf } from "./closed-loop.ts";
import type { LoadJob, Measured } from "./jobs.ts";

const BASE_URL = process.env["BENCH_URL"] ?? "";
const AUTHORIZATION = `Bearer ${process.env["BENCH_API_KEY"] ?? ""}`;

/** Longer than a thousand turns of one lane take. */
const ANSWER_TIMEOUT_MS = 300_000;

const pools = new Map<number, Pool>();

function run(job: LoadJob): Promise<Measured> {
  const pool = pools.get(job.callers) ?? makePool(job.callers);
  pools.set(job.callers, pool);
  return closedLoop(job, (turn) => say(pool, keyOf(job, turn), `${job.name}-${turn}`));
}

function makePool(connections: number): Pool {
  return new Pool(BASE_URL, { connections, headersTimeout: ANSWER_TIMEOUT_MS, bodyTimeout: 0 });
}

/** One turn of a conversation; gives its id. */
async function say(pool: Pool, sessionKey: string, text: string): Promise<string> {
  const { statusCode, headers, body } = await pool.request({
    method: "POST",
    path: "/v1/chat/completions",
    headers: {
      authorization: AUTHORIZATION,
      "content-type": "application/json",
      "x-session-key": sessionKey,
      "x-request-id": text,
    },
    body: JSON.stringify({ model: "lanekeeper", messages: [{ role: "user", content: text }] }),
  });
  const answer = await body.text();
  if (statusCode !== 200) throw new Error(`${statusCode} ${reasonOf(answer)}`);
  return String(headers["x-turn-id"]);
}

/** Without what differs from answer to answer, so that equal ones are counted together. */
function reasonOf(answer: string): string {
  return /"code":\s*"(\w+)"/.exec(answer)?.[1] ?? answer.slice(0, 200);
}

serveJobs({
  hello: "ready",
  run,
  close: () => {
    for (const pool of pools.values()) void pool.close();
  },
});
