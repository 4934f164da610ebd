import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { constants, existsSync, openSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { createLog, tellLost } from "./log.ts";
import { logOutput } from "./log-output.ts";

test("a reader that reads no more costs lines, which are counted, and not all memory", async () => {
  const folder = await mkdtemp(join(tmpdir(), "lanekeeper-log-"));
  const pipe = join(folder, "pipe");
  execFileSync("/bin/sh", ["-c", 'mkfifo "$1"', "sh", pipe]);
  const output = logOutput(openSync(pipe, constants.O_RDWR), 100_000);
  const log = createLog({
    ...{ service: "runner", instanceId: "i", level: "info", keys: "none", destination: output },
  });
  tellLost(log, output);
  const filler = "x".repeat(1_000);
  for (let line = 0; line < 2_000; line += 1) log.info({ filler }, "said");

  const reader = new Socket({ fd: openSync(pipe, constants.O_RDONLY | constants.O_NONBLOCK) });
  let text = "";
  for await (const part of reader) {
    text += String(part);
    if (/"lost":\d+.*\n$/.test(text) || text.length > 1_000_000) break;
  }
  reader.destroy();
  output.end();
  const lines = text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  const said = lines.filter(({ msg }) => msg === "said").length;
  expect(said).toBeLessThan(400);
  expect(lines.at(-1)).toMatchObject({ level: "warn", lost: 2_000 - said });
  await rm(folder, { recursive: true });
});

test.skipIf(!existsSync("/dev/full"))(
  "what cannot be written keeps no process from ending (skipped without /dev/full)",
  async () => {
    const output = logOutput(openSync("/dev/full", "w"));
    const failed = once(output, "error");
    output.write("x".repeat(5_000));
    expect(await failed).toMatchObject([{ code: "ENOSPC" }]);
    // As pino does at the exit; it tried for ever.
    output.flushSync();
    output.destroy();
  },
);

test.skipIf(!existsSync("/dev/full"))(
  "nor does a fatal line that is the first (skipped without /dev/full)",
  () => {
    const output = logOutput(openSync("/dev/full", "w"));
    const log = createLog({
      ...{ service: "runner", instanceId: "i", level: "info", keys: "none", destination: output },
    });
    log.fatal("start failed");
    output.destroy();
  },
);

test("who is slow to read is waited for, and not for ever", async () => {
  const folder = await mkdtemp(join(tmpdir(), "lanekeeper-log-"));
  const pipe = join(folder, "pipe");
  execFileSync("/bin/sh", ["-c", 'mkfifo "$1"', "sh", pipe]);
  const output = logOutput(openSync(pipe, constants.O_RDWR | constants.O_NONBLOCK));
  for (let line = 0; line < 200; line += 1) output.write("x".repeat(1_000));
  output.flushSync();
  output.destroy();
  await rm(folder, { recursive: true });
});
