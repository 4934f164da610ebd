import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { eventually } from "@lanekeeper/testing";
import { expect, test } from "vitest";
import { testFolder } from "../../fixtures/folder.ts";
import { type DataDir, openDataDir } from "./data-dir.ts";
import { awaitLeftovers } from "./leftovers.ts";
import { processCommand, processLife } from "../processes/process-life.ts";
import { writeState } from "./state-file.ts";

async function sleeper(name: string): Promise<ChildProcess> {
  const child = spawn("sleep", ["60"], { argv0: name });
  await once(child, "spawn");
  await eventually(async () => (await processCommand(child.pid ?? 0)).startsWith(name));
  return child;
}

/** @param life undefined: as releases before wrote it */
async function killedStart(dir: DataDir, pid: number | undefined, life?: string): Promise<void> {
  const runner = { pid: pid ?? 0, life, restarts: 0, grpc: "", admin: "", log: "" };
  await writeState(dir, { pid: 1, dataDir: dir.path, url: "", ready: true, services: { runner } });
}

test("a start right after a kill waits until the killed one's services are gone", async () => {
  await using folder = await testFolder();
  const dir = await openDataDir(join(folder.path, "data"));
  const service = await sleeper("lanekeeper runner");
  await killedStart(dir, service.pid, await processLife(service.pid ?? 0));
  const said: string[] = [];
  const waiting = awaitLeftovers({
    dir,
    graceMs: 60_000,
    tell: (line) => void said.push(line),
    stop: new AbortController().signal,
  });
  await eventually(() => said.length > 0);
  expect(said).toEqual([`waiting for services of the killed start to end (pids ${service.pid})`]);
  service.kill();
  await waiting;
});

test("one that does not end in time is ended, another program at its pid is let alone", async () => {
  await using folder = await testFolder();
  const dir = await openDataDir(join(folder.path, "data"));
  const options = { dir, graceMs: 0, tell: () => undefined, stop: new AbortController().signal };
  const service = await sleeper("lanekeeper runner");
  await killedStart(dir, service.pid);
  const ended = once(service, "exit");
  await awaitLeftovers(options);
  expect(await ended).toEqual([null, "SIGKILL"]);

  const other = await sleeper("another program");
  await killedStart(dir, other.pid);
  await awaitLeftovers(options);
  expect(await processCommand(other.pid ?? 0)).toContain("another program");
  other.kill();
});

test("pids that the system gave to others since are let alone: a tool in a folder of that name, us, another Lanekeeper", async () => {
  await using folder = await testFolder();
  const dir = await openDataDir(join(folder.path, "data"));
  const tell = (line: string) => {
    throw new Error(line);
  };
  const options = { dir, graceMs: 0, tell, stop: new AbortController().signal };
  const tool = await sleeper("/home/me/lanekeeper/node_modules/.bin/tool");
  await killedStart(dir, tool.pid);
  await awaitLeftovers(options);
  await killedStart(dir, process.pid);
  await awaitLeftovers(options);

  const neighbour = await sleeper("lanekeeper runner");
  await killedStart(dir, neighbour.pid, "another boot/1");
  await awaitLeftovers(options);
  for (const one of [tool, neighbour]) {
    expect(await processLife(one.pid ?? 0)).toBeDefined();
    one.kill();
  }
});

test("nothing was left: nothing is said", async () => {
  await using folder = await testFolder();
  const dir = await openDataDir(join(folder.path, "data"));
  const tell = (line: string) => {
    throw new Error(line);
  };
  await awaitLeftovers({ dir, graceMs: 0, tell, stop: new AbortController().signal });
});
