import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { processIdentity } from "./process-info.ts";
import { takeSupervisorLock } from "./supervisor-lock.ts";
import { testFolder } from "../testing/support.ts";

test("a lock is held until given back", async () => {
  await using folder = await testFolder();
  const release = await takeSupervisorLock(folder.path);
  await expect(takeSupervisorLock(folder.path)).rejects.toMatchObject({
    problem: "already_running",
  });
  await release();
  await (await takeSupervisorLock(folder.path))();
  expect(await readdir(folder.path)).toEqual([]);
});

test("the lock of a living process is respected, that of another life of its pid is not", async () => {
  await using folder = await testFolder();
  const holder = spawn(process.execPath, ["-e", "setInterval(() => undefined, 60000)"]);
  await once(holder, "spawn");
  const pid = holder.pid ?? 0;
  const lock = (identity: string | undefined) =>
    writeFile(join(folder.path, "supervisor.json"), JSON.stringify({ pid, identity }));
  try {
    await lock(await processIdentity(pid));
    await expect(takeSupervisorLock(folder.path)).rejects.toThrow(`Process ${pid} already runs`);
    await lock("another boot/1");
    await (await takeSupervisorLock(folder.path))();
  } finally {
    holder.kill("SIGKILL");
    await once(holder, "exit");
  }
});

test("a lock file that holds no JSON, as after a full disk, is taken over", async () => {
  await using folder = await testFolder();
  await writeFile(join(folder.path, "supervisor.json"), "");
  await (await takeSupervisorLock(folder.path))();
});
