import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdir, readFile, rm, writeFile } from "node:fs/promises";
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
    const number = (await readdir(dir.run)).filter((name) => name.startsWith("lock-")).length;
    if (round % 2 === 0) await taken[0]?.[Symbol.asyncDispose]();
    // As if it had been killed.
    else
      await writeFile(
        join(dir.run, `lock-${number}.json`),
        JSON.stringify({ pid: 1, life: "never" }),
      );
  }
});

/** As of a process that this one does not see, in a container with the same volume. */
const elsewhere = { pid: 7, life: "here/1", namespace: "pid:[1]" };

const LISTEN = `
  process.chdir(process.argv[1]);
  require("node:net").createServer().listen(process.argv[2], () => console.log("listening"));
`;

test("the lock of another container was taken for a dead one's: it holds for as long as its process lives", async () => {
  await using folder = await testFolder();
  const dir = await openDataDir(join(folder.path, "d".repeat(150)));
  const sign = "alive-0123456789ab.sock";
  await write(dir, { ...elsewhere, sign });
  const other = spawn(process.execPath, ["-e", LISTEN, dir.run, sign]);
  await once(other.stdout, "data");
  await expect(takeLock(dir)).rejects.toThrow(
    `Process 7 of another container already runs on ${dir.path}: stop that one`,
  );
  expect(await lockHolder(dir)).toBe(7);
  other.kill("SIGSTOP");
  await expect(takeLock(dir)).rejects.toThrow("Process 7 of another container");
  other.kill("SIGKILL");
  await once(other, "exit");
  // The file of the socket is still there.
  expect(await readdir(dir.run)).toContain(sign);
  await using lock = await takeLock(dir);
  expect(lock.recoveredFrom).toBe(7);
  expect(await readdir(dir.run)).not.toContain(sign);
});

test("who holds the lock can be told from another container, and a try that was refused leaves nothing", async () => {
  await using folder = await testFolder();
  const dir = await openDataDir(join(folder.path, "data"));
  {
    await using _lock = await takeLock(dir);
    const held = await readdir(dir.run);
    await expect(takeLock(dir)).rejects.toThrow(`Process ${process.pid} already runs`);
    expect(await readdir(dir.run)).toEqual(held);
    // The same holder, as another container reads it.
    const ours = JSON.parse(await readFile(join(dir.run, "lock-1.json"), "utf8"));
    await writeFile(join(dir.run, "lock-2.json"), JSON.stringify({ ...ours, ...elsewhere }));
    await expect(takeLock(dir)).rejects.toThrow("of another container");
    await rm(join(dir.run, "lock-2.json"));
  }
  expect(await readdir(dir.run)).toEqual([]);
});

test("the lock is given back", async () => {
  await using folder = await testFolder();
  const dir = await openDataDir(join(folder.path, "data"));
  await (await takeLock(dir))[Symbol.asyncDispose]();
  expect(await readdir(dir.run)).toEqual([]);
});
