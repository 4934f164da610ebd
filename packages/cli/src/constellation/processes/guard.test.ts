import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { eventually } from "@lanekeeper/testing";
import { expect, test } from "vitest";
import { processCommand, processLife } from "./process-life.ts";

const run = promisify(execFile);
const OWNER = fileURLToPath(new URL("../../fixtures/guard-owner.ts", import.meta.url));
const TSX = createRequire(import.meta.url).resolve("tsx");

async function sleeper(): Promise<ChildProcess> {
  const child = spawn("sleep", ["60"]);
  await once(child, "spawn");
  return child;
}

async function owner(service: ChildProcess, postgres: ChildProcess): Promise<ChildProcess> {
  const args = ["--import", TSX, OWNER, String(service.pid), String(postgres.pid)];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  if (child.stdout !== null) await once(child.stdout, "data");
  return child;
}

test("after kill -9 of the supervisor Postgres is told to shut down, but not before the services are gone", async () => {
  const [service, postgres] = [await sleeper(), await sleeper()];
  const supervisor = await owner(service, postgres);
  const guard = await guardOf(supervisor);
  supervisor.kill("SIGKILL");
  await once(supervisor, "exit");
  // Between two looks at the services it sleeps.
  await eventually(async () => (await children(guard)).length > 0);
  expect(await processLife(postgres.pid ?? 0)).toBeDefined();
  service.kill();
  const [, signal] = await once(postgres, "exit");
  expect(signal).toBe("SIGINT");
});

test("after an orderly end the guard touches nothing", async () => {
  const [service, postgres] = [await sleeper(), await sleeper()];
  const supervisor = await owner(service, postgres);
  const guard = await guardOf(supervisor);
  supervisor.kill("SIGTERM");
  await once(supervisor, "exit");
  await eventually(async () => (await processLife(guard)) === undefined);
  expect(await processLife(service.pid ?? 0)).toBeDefined();
  expect(await processLife(postgres.pid ?? 0)).toBeDefined();
  for (const child of [service, postgres]) child.kill();
});

/** tsx has a child of its own, which compiles. */
async function guardOf(supervisor: ChildProcess): Promise<number> {
  for (const pid of await children(supervisor.pid ?? 0)) {
    if ((await processCommand(pid)).includes("guard.sh")) return pid;
  }
  throw new Error("the supervisor has no guard");
}

/** The pids of a process's children. */
async function children(pid: number): Promise<number[]> {
  if (process.platform === "linux") {
    const text = await readFile(`/proc/${pid}/task/${pid}/children`, "utf8");
    return text.split(" ").filter(Boolean).map(Number);
  }
  const { stdout } = await run("pgrep", ["-P", String(pid)]).catch(() => ({ stdout: "" }));
  return stdout.split("\n").filter(Boolean).map(Number);
}
