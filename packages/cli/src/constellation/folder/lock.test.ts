import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { testFolder } from "../../fixtures/folder.ts";
import { type DataDir, openDataDir } from "./data-dir.ts";
import { lockHolder, takeLock } from "./lock.ts";
import { processLife } from "../processes/process-life.ts";

async function write(dir: DataDir, holder: object): Promise<void> {
  await writeFile(join(dir.run, "lock-1.json"), JSON.stringify(holder));
}

test("a second start on one data dir is refused and names the pid of the first", async () => {
  await using folder = await testFolder();
  const dir = await openDataDir(join(folder.path, "data"));
  const other = spawn("sleep", ["60"]);
  await once(other, "spawn");
  await write(dir, { pid: other.pid, life: await processLife(other.pid ?? 0) });
  await expect(takeLock(dir)).rejects.toThrow(`Process ${other.pid} already runs on ${dir.path}`);
  expect(await lockHolder(dir)).toBe(other.pid);
  other.kill();
  await once(other, "exit");
  await using lock = await takeLock(dir);
  expect(lock.recoveredFrom).toBe(other.pid);
});

test("a stale lock whose pid was given to another program is recovered", async () => {
  await using folder = await testFolder();
  const dir = await openDataDir(join(folder.path, "data"));
  await write(dir, { pid: process.pid, life: "an earlier boot/1" });
  expect(await lockHolder(dir)).toBeUndefined();
  await using lock = await takeLock(dir);
  expect(lock.recoveredFrom).toBe(process.pid);
});

test("a lock that was half written by a full disk is recovered", async () => {
  await using folder = await testFolder();
  const dir = await openDataDir(join(folder.path, "data"));
  await writeFile(join(dir.run, "lock-1.json"), "");
  await using _lock = await takeLock(dir);
  expect(await lockHolder(dir)).toBe(process.pid);
});

test("of many that start at once on a stale lock one gets it", async () => {
  await using folder = await testFolder();
  const dir = await openDataDir(join(folder.path, "data"));
  await write(dir, { pid: 1, life: "never" });
  for (let round = 0; round < 20; round += 1) {
    const tries = await Promise.allSettled(Array.from({ length: 16 }, () => takeLock(dir)));
    const taken = tries.flatMap((one) => (one.status === "fulfilled" ? one.value : []));
    expect(taken).toHaveLength(1);
    const number = (await readdir(dir.run)).length;
    if (round % 2 === 0) await taken[0]?.[Symbol.asyncDispose]();
    // As if it had been killed.
    else
      await writeFile(
        join(dir.run, `lock-${number}.json`),
        JSON.stringify({ pid: 1, life: "never" }),
      );
  }
});

test("the lock is given back", async () => {
  await using folder = await testFolder();
  const dir = await openDataDir(join(folder.path, "data"));
  await (await takeLock(dir))[Symbol.asyncDispose]();
  expect(await readdir(dir.run)).toEqual([]);
});
