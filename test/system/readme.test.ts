import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";

import { startConstellation } from "@lanekeeper/testing";
import { afterAll, beforeAll, expect, test } from "vitest";

const ROOT = join(import.meta.dirname, "../..");
const README = readFileSync(join(ROOT, "README.md"), "utf8");
/** What a reader pastes, in order. */
const BLOCKS = [...README.matchAll(/```sh\n([\s\S]*?)```/g)].map(([, block = ""]) => block);

let lanekeeper: Awaited<ReturnType<typeof startConstellation>>;

beforeAll(async () => {
  lanekeeper = await startConstellation();
});
afterAll(() => lanekeeper?.stop());

/** A reader's second, on a machine where a second may be too short. */
const UNTIL_IT_RUNS = `
until curl -s http://127.0.0.1:8080/lanekeeper.identity.v1.SessionIdentityService/ListSessions \\
  -H "Authorization: Bearer $KEY" -H "Content-Type: application/json" \\
  -d '{"runningOnly": true}' | grep -q agent:main:demo:ada; do sleep 0.1; done`;

/** Runs a block as it stands, but for where this constellation listens and keeps its data. */
async function paste(index: number, replacing: Record<string, string> = {}): Promise<string> {
  let block = BLOCKS[index] ?? "";
  for (const [from, to] of Object.entries(replacing)) {
    expect(block).toContain(from);
    block = block.replace(from, to);
  }
  block = block
    .replaceAll("http://127.0.0.1:8080", lanekeeper.baseUrl)
    .replaceAll(".lanekeeper/api-key", join(lanekeeper.dataDir, "api-key"));
  const env = {
    ...process.env,
    LANEKEEPER_URL: lanekeeper.baseUrl,
    LANEKEEPER_DATA_DIR: lanekeeper.dataDir,
    PATH: `${join(ROOT, "node_modules/.bin")}${delimiter}${process.env["PATH"]}`,
  };
  const { stdout } = await promisify(execFile)("bash", ["-c", block], { cwd: ROOT, env });
  return stdout;
}

test("the double tap: two answers, one session id, the second with the first in its context", async () => {
  const said = await paste(0, { "\nsleep 1\n": `${UNTIL_IT_RUNS}\n` });
  const ids = [...said.matchAll(/"session_id":\s*"([^"]+)"/g)].map(([, id]) => id);
  expect(ids).toHaveLength(2);
  expect(new Set(ids).size).toBe(1);
  expect(said).toContain("I was shown 1 message:");
  expect(said).toContain("I was shown 3 messages:");
  expect(said).toContain("3. user: Who am I?");
});

test("a key is explained and reset", async () => {
  const said = await paste(1);
  expect(said).toContain('"agent:main:demo:ada"');
  expect(said).toMatch(/"generation":\s*"2"/);
});

test("a request is traced", async () => {
  const told = await paste(2);
  expect(told).toContain("ticket-7");
  expect(told).toContain("agent:main:demo:ada");
  expect(told).toMatch(/completed/i);
});

test("there is no block that is not tried", () => {
  expect(BLOCKS).toHaveLength(3);
});
